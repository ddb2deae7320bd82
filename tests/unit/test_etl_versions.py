"""An ETL's version: whether its SQL, or what that reads, has changed since it was raised."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import etl_versions
from dev.etl_versions import ALL, changed, fingerprint
from warehouse.queries import SQL
from warehouse.sql_text import words

ARTICLES = ALL["article_performance"]


def test_every_etl_is_as_recorded() -> None:
    assert (
        not changed()
    ), "make etl_versions, or make etl_equivalent ETL=name; see docs/architecture.md, Versions"


@pytest.fixture(name="sql")
def _sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the SQL that a test may change."""
    shutil.copytree(SQL, tmp_path / "sql")
    monkeypatch.setattr(etl_versions, "SQL", tmp_path / "sql")
    getattr(etl_versions, "_definitions").cache_clear()
    yield tmp_path / "sql"
    getattr(etl_versions, "_definitions").cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("reports/article_performance.sql", "-- Returns", "-- It returns"),
        ("reports/article_performance.sql", "\n\n", "\n"),
        ("migrations/0005_reports.sql", "SELECT\n    event_time,", "SELECT event_time,"),
        ("migrations/0005_reports.sql", "CREATE VIEW reports.web_users_now", "CREATE VIEW crm.x"),
        ("migrations/0002_raw_tables.sql", "'The day'", "'A day'"),
    ],
    ids=[
        "a comment",
        "blanks",
        "blanks of a view",
        "a view that it does not read",
        "a description",
    ],
)
def test_what_cannot_change_results_does_not_count(
    sql: Path, name: str, old: str, new: str
) -> None:
    before = fingerprint(ARTICLES)
    edit(sql / name, old, new)
    getattr(etl_versions, "_definitions").cache_clear()
    assert fingerprint(ARTICLES) == before


@pytest.mark.parametrize(
    ("etl", "name", "old", "new"),
    [
        ("article_performance", "reports/article_performance.sql", "sum(clicks)", "max(clicks)"),
        ("article_performance", "migrations/0005_reports.sql", "'article_viewed'", "'x'"),
        (
            "users_dim",
            "migrations/0002_raw_tables.sql",
            "SELECT since IS NULL OR",
            "SELECT true OR",
        ),
        ("duplicates_by_date", "migrations/0005_reports.sql", "'same id'", "'same  id'"),
        ("user_activity", "aggregates/top_and_streak.sql", "min(totals", "max(totals"),
    ],
    ids=[
        "its SQL",
        "a view that it reads",
        "a function that it calls",
        "a blank in a text",
        "shared",
    ],
)
def test_what_can_change_results_counts(sql: Path, etl: str, name: str, old: str, new: str) -> None:
    before = fingerprint(ALL[etl])
    edit(sql / name, old, new)
    getattr(etl_versions, "_definitions").cache_clear()
    assert fingerprint(ALL[etl]) != before
    assert "make etl_equivalent ETL=" in changed()[etl]


def test_a_later_migration_that_replaces_a_view_counts(sql: Path) -> None:
    before = fingerprint(ARTICLES)
    (sql / "migrations" / "0007_x.sql").write_text(
        "CREATE OR REPLACE VIEW reports.article_actions AS SELECT 1;"
    )
    getattr(etl_versions, "_definitions").cache_clear()
    assert fingerprint(ARTICLES) != before


def test_a_function_that_a_function_calls_counts(sql: Path) -> None:
    before = fingerprint(ALL["user_events_daily"])
    edit(sql / "migrations" / "0005_reports.sql", "FROM raw.article_events;", "FROM raw.y;")
    edit(sql / "reports" / "user_events_daily.sql", "FROM raw.user_events", "FROM reports.v")
    with (sql / "migrations" / "0006_runs.sql").open("a") as file:
        file.write("CREATE VIEW reports.v AS TABLE reports.article_actions;")
    getattr(etl_versions, "_definitions").cache_clear()
    through_two = fingerprint(ALL["user_events_daily"])
    edit(sql / "migrations" / "0005_reports.sql", "FROM raw.y;", "FROM raw.z;")
    getattr(etl_versions, "_definitions").cache_clear()
    assert len({before, through_two, fingerprint(ALL["user_events_daily"])}) == 3


def test_the_operator_that_looks_like_a_comment_and_blanks_in_texts_count() -> None:
    assert list(words("SELECT a # b, 'x--y' -- z\n/* w */ FROM t")) == [
        *("SELECT", "a", "#", "b", ",", "'x--y'", "FROM", "t")
    ]
