"""The questions about web interactions: the sample against an oracle, and near misses by hand."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from etls.answers.catalogue import ANSWERS
from tests import oracle
from tests.builders import SAMPLES
from tests.integration.conftest import Consumer, Database, run

USERS, INTERACTIONS = SAMPLES / "users.csv", SAMPLES / "user_interaction.csv"
UNKNOWN, DUPLICATES, VISITORS, VALUABLE = (answer.etl.name for answer in ANSWERS)

Tables = dict[str, list[tuple[Any, ...]]]


def tables(database: Database) -> Tables:
    return {
        answer.etl.name: sorted(
            database.rows(f"SELECT {', '.join(answer.columns)} FROM {answer.etl.target}")
        )
        for answer in ANSWERS
    }


def test_the_answers_of_the_sample_equal_the_oracle(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    for feed, path in (("web_users", USERS), ("user_interactions", INTERACTIONS)):
        done = run("producer", "--feed", feed, str(path))
        assert "0 rejected" in done.stdout, done.stdout + done.stderr
    done = run("etls", "answers", "--page", str(tmp_path / "reports" / "answers.md"))
    assert done.returncode == 0, done.stderr
    assert tables(database) == expected()
    page = (tmp_path / "reports" / "answers.md").read_text("utf-8")
    for said in ("**LOGIN**: ", "**2021-03-04**: ", "**TR**: ", "**18-49**: "):
        assert said in page
    assert database.rows(
        "SELECT etl, status FROM meta.etl_runs WHERE checks <> '{}' ORDER BY etl"
    ) == [(name, "succeeded") for name in sorted((UNKNOWN, DUPLICATES, VISITORS, VALUABLE))]
    before = tables(database)
    assert run("etls", "answers").returncode == 0
    assert tables(database) == before


def expected() -> Tables:
    def fields(path: Path) -> Iterable[list[str]]:
        for line in path.read_text("utf-8").splitlines():
            yield [field.strip().strip("'") for field in line.split(",")]

    return oracle.answers(
        ((int(user), age, country) for user, age, country in fields(USERS)),
        (oracle.Interaction(i, int(user), kind, at) for i, user, kind, at in fields(INTERACTIONS)),
    )


@pytest.fixture(name="answer")
def _answer(database: Database) -> Callable[..., Tables]:
    """The tables for some users and interactions, given as (user, type, second, id)."""

    def answer(
        users: list[tuple[int, str | None, str | None]],
        interactions: list[tuple[int, str, int, str]],
    ) -> Tables:
        for line, user in enumerate(users, 1):
            database.rows(
                "INSERT INTO raw.web_users (event_id, user_id, age, country, imported_at, line)"
                " VALUES (gen_random_uuid(), %s, %s, %s, '2021-01-01', %s)",
                *user,
                line,
            )
        for line, (user_id, kind, second, interaction) in enumerate(interactions, 1):
            database.rows(
                "INSERT INTO raw.user_interactions (event_id, interaction_id, user_id, event_type,"
                " event_time, imported_at, line) VALUES (gen_random_uuid(), %s, %s, %s,"
                " '2021-03-01 23:59:50Z'::timestamptz + %s * interval '1 second', now(), %s)",
                interaction,
                user_id,
                kind,
                second,
                line,
            )
        done = run("etls", "answers")
        assert done.returncode == 0, done.stderr
        return tables(database)

    return answer


def deeds(user: int, views: int, clicks: int) -> list[tuple[int, str, int, str]]:
    kinds = ["VIEW"] * views + ["CLICK"] * clicks
    return [(user, kind, n, f"{user}-{kind}-{n}") for n, kind in enumerate(kinds)]


def test_a_user_id_is_wrong_if_no_user_has_it_and_an_event_counts_once(
    answer: Callable[..., Tables],
) -> None:
    found = answer(
        [(1, "20", "TR"), (10, "20", "TR")],
        [
            (1, "VIEW", 0, "a"),
            (11, "VIEW", 1, "b"),
            (11, "VIEW", 1, "b"),  # delivered twice: one wrong event
            (11, "VIEW", 1, "c"),  # and under another id
            (11, "VIEW", 2, "d"),  # a second later: another event
            (10, "CLICK", 1, "e"),
            (-1, "view", 1, "f"),  # another type: types are text, as they came
        ],
    )
    assert found[UNKNOWN] == [("CLICK", 1, 0, 0.0), ("VIEW", 3, 2, 2 / 3), ("view", 1, 1, 1.0)]


def test_a_duplicate_has_the_same_id_or_is_the_same_event_and_counts_on_its_own_date(
    answer: Callable[..., Tables],
) -> None:
    found = answer(
        [],
        [
            (1, "VIEW", 9, "a"),  # 23:59:59
            (1, "VIEW", 9, "a"),  # the same id
            (1, "VIEW", 9, "b"),  # the same event under another id
            (1, "VIEW", 10, "a"),  # the same id, on the next date
            (1, "VIEW", 10, "c"),  # the same event as that one
            (1, "VIEW", 11, "d"),  # a second later: none
            (1, "CLICK", 9, "e"),  # another type: none
            (2, "VIEW", 9, "f"),  # another user: none
            (2, "VIEW", 9, "A"),  # an id is text, and this another one; but the same event
        ],
    )
    days = [(str(day), *counts) for day, *counts in found[DUPLICATES]]
    assert days == [("2021-03-01", 6, 1, 2, 3), ("2021-03-02", 3, 1, 1, 2)]


def test_a_visitor_counts_once_and_only_who_has_come(answer: Callable[..., Tables]) -> None:
    found = answer(
        [(1, None, "DE"), (2, None, "de"), (3, None, "TR"), (4, None, "TR"), (5, None, None)]
        + [(6, None, "FR"), (6, None, "NL")],  # moved: the last row holds
        [(1, "VIEW", 0, "a"), (2, "VIEW", 0, "b"), (5, "VIEW", 0, "c"), (6, "VIEW", 0, "d")]
        + [(3, "VIEW", n, f"e{n}") for n in range(5)]  # one visitor, five events
        + [(99, "VIEW", 0, "f")],  # does not exist
    )
    assert found[VISITORS] == [("DE", 2), ("NL", 1), ("TR", 1), ("unknown", 2)]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        ("17", "outside"),
        ("18", "18-49"),
        ("49", "18-49"),
        ("50", "50-80"),
        ("80", "50-80"),
        ("81", "outside"),
        ("18-45", "18-49"),
        ("18-49", "18-49"),
        ("45-18", "18-49"),
        ("17-49", "straddling"),
        ("18-50", "straddling"),
        ("46-80", "straddling"),
        ("49-50", "straddling"),
        ("50-80", "50-80"),
        ("50-81", "straddling"),
        ("10-17", "outside"),
        ("81-99", "outside"),
        (None, "unknown"),
    ],
)
def test_an_age_is_in_a_group_if_all_of_it_is(
    answer: Callable[..., Tables], age: str | None, group: str
) -> None:
    found = answer([(1, age, "TR")], deeds(1, views=5, clicks=10))
    assert {name for name, users in found[VALUABLE] if users} == {group}
    assert len(found[VALUABLE]) == 5


def test_five_views_and_ten_clicks_are_enough_and_duplicates_do_not_help(
    answer: Callable[..., Tables],
) -> None:
    doubled = deeds(4, 4, 10)
    under_another_id = deeds(5, 5, 9)
    found = answer(
        [(user, "30", "TR") for user in range(1, 7)],
        deeds(1, 5, 10)
        + deeds(2, 4, 30)
        + deeds(3, 30, 9)
        + [*doubled, doubled[0]]
        + [*under_another_id, (*under_another_id[-1][:3], "another id")]
        + deeds(6, 6, 11)
        + deeds(7, 5, 10),  # does not exist
    )
    assert found[VALUABLE] == [
        ("18-49", 2),
        ("50-80", 0),
        ("outside", 0),
        ("straddling", 0),
        ("unknown", 1),
    ]
