"""The two ETLs on a real PostgreSQL, against an oracle that shares nothing with their SQL."""

import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from consumer.batch import unpack
from consumer.writer import RawTables
from etls.catalogue import ETLS, Etl
from etls.run_log import FULL, date_statuses
from etls.runner import Run, run_etl, run_lock
from etls.verify import verify
from feeds import FEEDS
from feeds.core.records import parse_header, split_records
from feeds.core.rows import Accepted, read_records, validate
from tests import oracle
from tests.builders import SAMPLES, USER_EVENTS, UserEvent, delivery
from tests.integration.conftest import Database, eventually, run, running_etl
from warehouse.errors import WarehouseError
from warehouse.message import CSV, IMPORTED_AT
from warehouse.postgres import ETL, INGEST, READ, Connection, connect, open_connection

USERS_DIM, DAILY = ETLS["users_dim"], ETLS["user_events_daily"]
FIRST_DAY = date(2020, 12, 5)
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "500"))
SEED = int(os.environ.get("PROPERTY_SEED", random.randrange(10**9)))
VERSION = (
    "id, username, user_email, user_type, organization_name, plan_name,"
    " valid_from, valid_to, is_valid, is_deleted"
)
REPORT = "event_date, n_created, n_updated, n_deleted, n_unique, n_total"


class Warehouse:
    """Raw tables that a test fills, and ETLs that it runs."""

    def __init__(self, database: Database, etl: Connection) -> None:
        self.database = database
        self._etl = etl
        self._tables = RawTables(os.environ["DATABASE_URL"])
        self._imports = 0
        self._n_events = 0  # ever loaded
        self.events: list[oracle.Event] = []

    def start_afresh(self) -> "Warehouse":
        """Nothing imported, nothing processed."""
        self.database.empty()
        self._imports = self._n_events = 0
        self.events = []
        return self

    def load(self, events: Sequence[UserEvent]) -> None:
        """Import a file with these events."""
        self._imports += 1
        lines = "".join(event.line for event in events)
        body = f"{','.join(USER_EVENTS.header)}\n{lines}"
        headers: dict[str, object] = {
            IMPORTED_AT: self._imports,
            "first-line": self._imports * 1000,
        }
        parcel = unpack(delivery(body, CSV, headers=headers), FEEDS)
        assert not parcel.rejected
        self._tables.write([parcel])
        self.events += [
            oracle.Event(
                event.id,
                event.event_type,
                tuple(
                    value or None
                    for value in (
                        event.username,
                        event.user_email,
                        event.user_type,
                        event.organization_name,
                        event.plan_name,
                    )
                ),
                datetime.fromisoformat(event.received_at).replace(tzinfo=timezone.utc),
                self._n_events + position,
            )
            for position, event in enumerate(events)
        ]
        self._n_events += len(events)

    def process(self, *days: date) -> None:
        """Run both ETLs."""
        for day in days:
            self.run([day])

    def run(self, dates: Sequence[date], *, full: bool = False) -> list[Run]:
        """Run both ETLs for dates in one go."""
        return [
            run for etl in (USERS_DIM, DAILY) for run in run_etl(self._etl, etl, dates, full=full)
        ]

    def lose(self, user: str, day: date) -> None:
        """Events of a user on a day have gone from the raw table."""
        self.database.rows(
            "DELETE FROM raw.user_events WHERE id = %s"
            " AND (received_at AT TIME ZONE 'UTC')::date = %s",
            *(user, day),
        )
        self.events = [event for event in self.events if (event.id, event.at.date()) != (user, day)]

    def broken_checks(self) -> list[str]:
        """What the whole examination of the dimension finds."""
        return [check.name for check in verify(self._etl, USERS_DIM).checks if check.n_violations]

    def stale(self, etl: Etl) -> set[date]:
        """The dates that the run log would have run again."""
        with self._etl, self._etl.cursor() as cursor:
            return {s.import_date for s in date_statuses(cursor, etl) if s.is_stale}

    def dimension(self) -> list[tuple[Any, ...]]:
        """crm.users_dim without its key."""
        return self.database.rows(
            f'SELECT {VERSION} FROM crm.users_dim ORDER BY id COLLATE "C", valid_from'
        )

    def report(self) -> list[tuple[Any, ...]]:
        """reports.user_events_daily."""
        return self.database.rows(
            f"SELECT {REPORT} FROM reports.user_events_daily ORDER BY event_date"
        )

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """Both tables, keys included."""
        return [
            self.database.rows(f"SELECT * FROM {table} ORDER BY 1")
            for table in ("crm.users_dim", "reports.user_events_daily")
        ]

    def close(self) -> None:
        """Hang up."""
        self._tables.close()


@pytest.fixture(scope="module", name="shared_warehouse")
def _shared_warehouse(session_database: Database) -> Iterator[Warehouse]:
    with connect(os.environ["DATABASE_URL"], "tests-etl", ETL) as connection:
        found = Warehouse(session_database, connection)
        yield found
        found.close()


@pytest.fixture(name="warehouse")
def _warehouse(shared_warehouse: Warehouse) -> Warehouse:
    """An empty warehouse."""
    return shared_warehouse.start_afresh()


def at(day: int, time: str = "10:00:00.000000") -> str:
    return f"2020-12-{day:02} {time}"


def test_zeus_lives_four_versions_that_meet_end_to_end(warehouse: Warehouse) -> None:
    zeus = UserEvent(received_at=at(6))
    warehouse.load(
        [
            zeus,
            zeus.updated(at(8, "09:00:00.000000"), user_email="zeus@sky.gr"),
            zeus.updated(at(8, "17:30:00.000000"), user_email="z@sky.gr"),
            zeus.deleted(at(10)),
        ]
    )
    warehouse.process(*oracle.week(FIRST_DAY))
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)
    assert [(v[2], str(v[6])[:10], v[8], v[9]) for v in warehouse.dimension()] == [
        ("zeus@olympus.gr", "2020-12-06", False, False),
        ("zeus@sky.gr", "2020-12-08", False, False),
        ("z@sky.gr", "2020-12-08", False, False),
        ("zeus@olympus.gr", "2020-12-10", True, True),
    ]
    assert [row[1:] for row in warehouse.report()] == [
        (1, 0, 0, 1, 1),
        (0, 2, 0, 1, 2),
        (0, 0, 1, 1, 1),
    ]


def test_an_event_that_changes_nothing_opens_no_version(warehouse: Warehouse) -> None:
    zeus = UserEvent(received_at=at(6))
    warehouse.load([zeus, zeus.updated(at(7)), zeus.created(at(8))])
    warehouse.process(*oracle.week(FIRST_DAY))
    assert len(warehouse.dimension()) == 1


def test_an_update_without_a_creation_opens_the_first_version(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent().updated(at(7))])
    warehouse.process(date(2020, 12, 7))
    assert len(warehouse.dimension()) == 1


def test_at_one_instant_the_deletion_wins_and_then_the_last_in_the_source(
    warehouse: Warehouse,
) -> None:
    zeus = UserEvent(received_at=at(6))
    hera = UserEvent(id="hera", received_at=at(6))
    warehouse.load([zeus.deleted(at(6)), zeus.updated(at(6)), zeus])
    warehouse.load([hera.updated(at(6), plan_name="A"), hera.updated(at(6), plan_name="B"), hera])
    warehouse.load([hera.updated(at(6), plan_name="C")])
    warehouse.process(date(2020, 12, 6))
    assert [(v[0], v[5], v[9]) for v in warehouse.dimension()] == [
        ("hera", "C", False),
        ("zeus", "Free", True),
    ]


def test_a_date_before_the_others_repairs_what_comes_after(warehouse: Warehouse) -> None:
    zeus = UserEvent(received_at=at(5))
    warehouse.load(
        [zeus, zeus.updated(at(6), plan_name="B"), zeus.updated(at(7), plan_name="Free")]
    )
    warehouse.process(date(2020, 12, 5), date(2020, 12, 7))
    assert len(warehouse.dimension()) == 1, "with the 6th unprocessed the 7th changes nothing"
    warehouse.process(date(2020, 12, 6))
    assert [v[5] for v in warehouse.dimension()] == ["Free", "B", "Free"]


def test_a_user_whose_name_was_null_may_get_one(warehouse: Warehouse) -> None:
    nobody = UserEvent("n", "User Updated", "", "", "", "", "", at(6))
    warehouse.load([nobody, nobody.updated(at(7), username="N"), nobody.updated(at(8))])
    warehouse.process(*oracle.week(FIRST_DAY))
    assert [v[1] for v in warehouse.dimension()] == [None, "N", None]


def test_a_day_ends_at_midnight_utc(warehouse: Warehouse) -> None:
    warehouse.load(
        [
            UserEvent(received_at=at(6, "23:59:59.999999")),
            UserEvent(received_at=at(7, "00:00:00.000000")),
        ]
    )
    warehouse.process(date(2020, 12, 6))
    assert [row[5] for row in warehouse.report()] == [1]


def test_the_sample_equals_the_oracle_whatever_the_order(warehouse: Warehouse) -> None:
    result = sample_events()
    warehouse.load(result)
    days = oracle.week(FIRST_DAY)
    warehouse.process(*days)
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)
    assert warehouse.report() == oracle.user_events_daily(warehouse.events)
    once = warehouse.everything()
    warehouse.process(*days)
    assert warehouse.everything() == once, "twice"
    warehouse.database.rows("TRUNCATE crm.user_history, reports.user_events_daily, meta.etl_runs")
    warehouse.process(*reversed(days))
    assert warehouse.everything() == once, "backwards"


def sample_events() -> list[UserEvent]:
    """The good rows of the sample."""
    lines = (SAMPLES / "user_events.csv").read_bytes().split(b"\n")
    header = parse_header(lines[0], USER_EVENTS)
    records = split_records(lines[1:], USER_EVENTS.dialect, len(header))
    names = USER_EVENTS.columns[:-1]
    return [
        UserEvent(
            **{name: value or "" for name, value in zip(names, verdict.values)},
            received_at=f"{verdict.values[-1]:%Y-%m-%d %H:%M:%S.%f}",
        )
        for row in read_records(USER_EVENTS, header, records)
        if isinstance(verdict := validate(USER_EVENTS, row), Accepted)
    ]


INSTANTS = st.sampled_from(
    [at(day, time) for day in range(5, 9) for time in ("00:00:00.000000", "12:00:00.000000")]
)
LIVES = st.lists(
    st.builds(
        UserEvent,
        id=st.sampled_from(["a", "b"]),
        event_type=st.sampled_from(list(oracle.RANK)),
        username=st.just("u"),
        user_email=st.sampled_from(["", "x", "y"]),
        plan_name=st.just("Free"),
        received_at=INSTANTS,
    ),
    min_size=1,
    max_size=12,
)
DAYS = st.sampled_from([FIRST_DAY + timedelta(days=n) for n in range(5)])


def check_counts(runs: Sequence[Run], warehouse: Warehouse) -> None:
    """Runs that did all of their dates say how many versions begin there."""
    opened = Counter(version[6].date() for version in warehouse.dimension())
    for done in runs:
        if done.etl is USERS_DIM and done.outcome.mode == FULL:
            assert done.outcome.rows_written == opened[done.import_date]


def all_days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


class Loss(NamedTuple):
    """A user whose events of a day go."""

    user: str
    day: date


RUNS = st.tuples(DAYS, DAYS, st.booleans())  # from, to (the other way round if need be), full
LOSSES = st.builds(Loss, st.sampled_from(["a", "b"]), DAYS)


class Story:
    """Imports, losses and runs in any order, and what they should have come to."""

    def __init__(self, warehouse: Warehouse, kinds: Counter[str]) -> None:
        self.warehouse = warehouse
        self.processed: set[date] = set()
        self.seen: set[int] = set()  # events, by their order
        self.shrunk: set[date] = set()  # some events have gone since the last run
        self._kinds = kinds

    def take(self, step: Any) -> None:
        """One step."""
        if isinstance(step, Loss):
            self.warehouse.lose(*step)
            is_known = step.day in self.processed
            self._kinds["a loss" if is_known else "a loss of unprocessed events"] += 1
            self.shrunk |= {step.day} & self.processed
        elif isinstance(step, tuple):
            dates = all_days(*sorted(step[:2]))
            self._kinds["a re-run" if self.processed & set(dates) else "a first run"] += 1
            check_counts(self.warehouse.run(dates, full=step[2]), self.warehouse)
            self.processed.update(dates)
            self.shrunk -= set(dates)
            self.seen |= {
                event.order for event in self.warehouse.events if event.at.date() in dates
            }
        else:
            dates = [date.fromisoformat(event.received_at[:10]) for event in step]
            is_late = not self.processed.isdisjoint(dates)
            self._kinds["late events" if is_late else "new events"] += 1
            self.warehouse.load(step)

    def finish(self, shuffle: random.Random) -> None:
        """Run what was processed and is out of date."""
        order = sorted((self.stale | self.shrunk) & self.processed)
        shuffle.shuffle(order)
        self.warehouse.process(*order)

    @property
    def stale(self) -> set[date]:
        """The dates with events that no run has seen."""
        events = self.warehouse.events
        return {event.at.date() for event in events if event.order not in self.seen}

    @property
    def visible(self) -> list[oracle.Event]:
        """The events that the tables should be made of."""
        return oracle.on_dates(self.warehouse.events, self.processed)


@pytest.mark.timeout(max(180, 2 * EXAMPLES))  # seconds
def test_tables_depend_on_which_dates_ran_and_not_on_how(
    shared_warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds: Counter[str] = Counter()

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        first=st.tuples(LIVES, RUNS),
        others=st.lists(st.one_of(LIVES, RUNS, LOSSES), min_size=1, max_size=8),
        shuffle=st.randoms(use_true_random=False),
    )
    def converge(first: tuple[Any, Any], others: list[Any], shuffle: random.Random) -> None:
        story = Story(shared_warehouse.start_afresh(), kinds)
        for step in (*first, *others):
            story.take(step)
        assert story.warehouse.stale(USERS_DIM) == story.warehouse.stale(DAILY) == story.stale
        story.finish(shuffle)
        kinds["examples"] += 1
        assert story.warehouse.dimension() == oracle.users_dim(story.visible)
        assert story.warehouse.report() == oracle.user_events_daily(story.visible)
        assert not story.warehouse.broken_checks()
        result = story.warehouse.everything()
        if story.processed:
            story.warehouse.run(sorted(story.processed), full=True)
        assert story.warehouse.everything() == result, "whole again"

    converge()  # pylint: disable=no-value-for-parameter  # Hypothesis gives them
    n_examples = kinds.pop("examples")
    n_steps = sum(kinds.values())
    n_repairs = kinds["a re-run"] + kinds["late events"] + kinds["a loss"]
    with capsys.disabled():
        print(f"\nseed {SEED}: {n_examples} examples, {n_steps} steps, {n_repairs} of them repairs")
    assert n_examples >= EXAMPLES and n_repairs >= n_steps / 3


# A user with three versions and a repeat; a date that has not run.
HISTORY = [
    UserEvent(id="a", received_at="2020-12-05 10:00:00.000000"),
    UserEvent(id="a", received_at="2020-12-06 10:00:00.000000").updated(
        "2020-12-06 10:00:00.000000", plan_name="B"
    ),
    UserEvent(id="a", received_at="2020-12-07 10:00:00.000000").updated(
        "2020-12-07 10:00:00.000000", plan_name="B"
    ),
    UserEvent(id="a", received_at="2020-12-08 10:00:00.000000").deleted(
        "2020-12-08 10:00:00.000000"
    ),
]
_CHAIN = "a version ends where the next one begins, and the last one is valid"
_CHANGE = "a version differs from the event before it, a repeat does not"
_INSTANT = "a user has one event an instant"
_MISSING = "the last event of each instant of raw is there, as it is in raw"
_FOREIGN = "what is there is in raw"
_UNPROCESSED = "what is there is of a processed date"
_OF_USER = "(event_sk, id, valid_from, valid_to, is_valid, is_deleted) VALUES (gen_random_uuid(), "
DAMAGES = {
    "a gap": ("UPDATE crm.users_dim_past SET valid_to = valid_to - INTERVAL '1 us'", {_CHAIN}),
    "an overlap": ("UPDATE crm.users_dim_past SET valid_to = valid_to + INTERVAL '1 h'", {_CHAIN}),
    "a version is missing": (
        "DELETE FROM crm.users_dim WHERE plan_name = 'B'",
        {_CHAIN, _CHANGE, _MISSING},
    ),
    "the valid version is missing": ("DELETE FROM crm.users_dim_valid", {_CHAIN, _MISSING}),
    "a repeat is missing": ("DELETE FROM crm.user_repeats", {_MISSING}),
    "all is missing": ("TRUNCATE crm.user_history", {_MISSING}),
    "a version begins late": (
        "UPDATE crm.users_dim_valid SET valid_from = valid_from + INTERVAL '1 us'",
        {_CHAIN, _MISSING, _FOREIGN},
    ),
    "another state": (
        "UPDATE crm.users_dim_past SET username = 'X' WHERE plan_name = 'B'",
        {_CHANGE, _MISSING, _FOREIGN},
    ),
    "another event": (
        "UPDATE crm.users_dim_valid SET event_sk = gen_random_uuid()",
        {_MISSING, _FOREIGN},
    ),
    "a repeat as a version": (
        "WITH gone AS (DELETE FROM crm.user_repeats RETURNING *) INSERT INTO crm.users_dim_past"
        " SELECT event_sk, id, username, user_email, user_type, organization_name, plan_name,"
        " valid_from, '2020-12-08 10:00', false, is_deleted FROM gone",
        {_CHAIN, _CHANGE},
    ),
    "a foreign version on a processed date": (
        f"INSERT INTO crm.users_dim {_OF_USER}'x', '2020-12-06', NULL, true, false)",
        {_FOREIGN},
    ),
    "a foreign repeat on a processed date": (
        f"INSERT INTO crm.user_repeats {_OF_USER}'a', '2020-12-06 11:00', NULL, NULL, true)",
        {_CHANGE, _FOREIGN},
    ),
    "a foreign version on another date": (
        f"INSERT INTO crm.users_dim {_OF_USER}'x', '2020-12-01', NULL, true, false)",
        {_UNPROCESSED},
    ),
    "two at one instant": (
        "INSERT INTO crm.user_repeats SELECT event_sk, id, username, user_email, user_type,"
        " organization_name, plan_name, valid_from, NULL, NULL, is_deleted"
        " FROM crm.users_dim_valid",
        {_INSTANT},
    ),
}


@pytest.mark.parametrize(("damage", "broken"), DAMAGES.values(), ids=DAMAGES)
def test_each_kind_of_damage_is_found_and_mended(
    warehouse: Warehouse, damage: str, broken: set[str]
) -> None:
    warehouse.load(HISTORY)
    warehouse.run(oracle.week(FIRST_DAY))
    before = warehouse.everything()
    assert not warehouse.broken_checks()
    warehouse.database.rows(damage)
    result = run("etls", "verify", "users_dim")
    assert set(warehouse.broken_checks()) >= broken
    assert result.returncode == 1
    assert result.stdout.count("WRONG") == len(warehouse.broken_checks())
    assert "such as user " in result.stdout
    commands = re.findall(r"type make users_dim FULL=1 FROM=(\S+) TO=(\S+)", result.stderr)
    assert commands
    for first, last in commands:
        dates = ("--from", first, "--to", last)
        assert run("etls", "run", "users_dim", *dates, "--full").returncode == 0
    assert warehouse.everything() == before
    assert run("etls", "verify").returncode == 0


def test_a_table_that_does_not_agree_with_raw_is_found(warehouse: Warehouse) -> None:
    warehouse.load(HISTORY)
    warehouse.process(*oracle.week(FIRST_DAY))
    warehouse.database.rows(
        "UPDATE reports.user_events_daily SET n_total = 9 WHERE event_date = '2020-12-06'"
    )
    result = run("etls", "verify", "user_events_daily")
    assert result.returncode == 1
    assert "WRONG its rows are those that raw events make now: 2 times not" in result.stdout
    assert "type make user_events_daily FULL=1 FROM=2020-12-06 TO=2020-12-06" in result.stderr
    warehouse.database.rows(
        "UPDATE reports.user_events_daily SET event_date = '2019-01-01' WHERE n_total = 9"
    )
    result = run("etls", "verify", "user_events_daily")
    assert "WRONG its rows are of processed dates: 1 times not, such as a row of 2019-01-01" in (
        result.stdout
    )
    warehouse.run([date(2020, 12, 6), date(2019, 1, 1)], full=True)
    assert run("etls", "verify", "user_events_daily").returncode == 0
    assert warehouse.report() == oracle.user_events_daily(warehouse.events)


def test_dates_that_are_stale_or_pruned_are_not_compared_with_raw(warehouse: Warehouse) -> None:
    warehouse.load(HISTORY)
    warehouse.process(*oracle.week(FIRST_DAY))
    warehouse.load([UserEvent(id="late", received_at=at(6))])
    said = run("etls", "verify", "users_dim").stdout
    assert said.startswith("crm.users_dim: 6 dates compared with raw events, 1 more are stale")
    warehouse.process(date(2020, 12, 6))
    assert run("etls", "run", *ETLS, "--stale").returncode == 0
    assert run("etls", "prune", "--before", "2020-12-07", "--yes").returncode == 0
    said = run("etls", "verify", "users_dim").stdout
    assert said.startswith("crm.users_dim: 5 dates compared") and "WRONG" not in said


def test_a_run_that_finds_damage_does_the_whole_date_and_says_so(warehouse: Warehouse) -> None:
    warehouse.load([*HISTORY, UserEvent(id="b", received_at=at(9))])
    warehouse.run(oracle.week(FIRST_DAY))
    warehouse.database.rows(
        "INSERT INTO crm.users_dim_past SELECT event_sk, id, username, user_email, user_type,"
        " organization_name, plan_name, valid_from, '2020-12-08 12:00', false, is_deleted"
        " FROM crm.users_dim_valid WHERE id = 'a'"
    )
    warehouse.load([HISTORY[0].created(at(9))])
    result = run("etls", "run", "users_dim", "--date", "2020-12-09")
    (line,) = result.stdout.splitlines()
    why = "the new events alone do not fit what is there (PostgreSQL: duplicate key value"
    assert line.startswith("users_dim 2020-12-09: 2 rows read, 2 written (") and why in line
    assert result.stderr.startswith(f"warning: users_dim 2020-12-09: {why}")
    ((mode, note),) = warehouse.database.rows(
        "SELECT mode, note FROM meta.etl_runs WHERE etl = 'users_dim' ORDER BY run_id DESC LIMIT 1"
    )
    assert mode == FULL and note.startswith(f"whole date, since {why}")
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)


def test_damage_of_other_dates_stops_no_run_and_the_remedy_mends_any_number_of_dates(
    warehouse: Warehouse,
) -> None:
    first = date(2020, 12, 5)
    days = [first + timedelta(days=n) for n in (0, 40, 45, 50)]
    for number, day in enumerate(days):
        event = UserEvent(id="a", received_at=f"{day} 10:00:00.000000", plan_name=f"{number}")
        warehouse.load([event])
    warehouse.run(all_days(first, days[-1]))
    warehouse.database.rows(
        "UPDATE crm.users_dim_past SET valid_to = valid_to + INTERVAL '1 h' WHERE plan_name = '2'"
    )
    warehouse.load([UserEvent(id="a", received_at="2020-12-06 10:00:00.000000", plan_name="x")])
    assert run("etls", "run", "users_dim", "--date", "2020-12-06").returncode == 0
    result = run("etls", "verify", "users_dim")
    remedy = f"type make users_dim FULL=1 FROM={days[2]} TO={days[2]}\n"
    assert result.returncode == 1 and result.stderr.endswith(remedy)
    warehouse.run(all_days(first, days[-1]), full=True)
    assert run("etls", "verify", "users_dim").returncode == 0
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)


def test_a_lost_valid_version_fails_a_run(warehouse: Warehouse) -> None:
    warehouse.load(HISTORY)
    warehouse.run(oracle.week(FIRST_DAY))
    warehouse.database.rows("DELETE FROM crm.users_dim_valid")
    warehouse.load([HISTORY[0].created("2020-12-12 10:00:00.000000")])
    result = run("etls", "run", "users_dim", "--date", "2020-12-12")
    assert result.returncode == 1
    assert "a user with past versions had a valid one: 1 times not" in result.stderr
    assert "make verify" in result.stderr
    warehouse.run([date(2020, 12, 8)], full=True)
    assert run("etls", "run", "users_dim", "--date", "2020-12-12").returncode == 0
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)


def version(start: str, end: str | None, *, valid: bool) -> tuple[object, ...]:
    return ("zeus", start, end, valid)


@pytest.mark.parametrize(
    ("versions", "constraint"),
    [
        ([version(at(5), None, valid=True), version(at(6), None, valid=True)], "users_dim"),
        ([version(at(5), at(6), valid=False)] * 2, "users_dim_start"),
        ([version(at(6), at(5), valid=False)], "users_dim_interval"),
        ([version(at(6), at(6), valid=False)], "users_dim_interval"),
        ([version(at(5), at(6), valid=True)], "users_dim_state"),
    ],
    ids=[
        "two valid",
        "one past instant twice",
        "inverted",
        "empty",
        "ended but valid",
    ],
)
def test_the_database_refuses_what_is_no_history(
    database: Database, versions: list[tuple[object, ...]], constraint: str
) -> None:
    assert database
    with open_connection(os.environ["DATABASE_URL"], "tests", ETL) as connection:
        with (
            connection.cursor() as cursor,
            pytest.raises(psycopg2.IntegrityError, match=constraint),
        ):
            for values in versions:
                cursor.execute(
                    "INSERT INTO crm.users_dim"
                    " (event_sk, id, valid_from, valid_to, is_valid, is_deleted)"
                    " VALUES (gen_random_uuid(), %s, %s, %s, %s, false)",
                    values,
                )
            connection.commit()
        connection.rollback()
    connection.close()


def run_log(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT etl, import_date::text, status, rows_read, rows_written, error,"
        " finished_at >= started_at FROM meta.etl_runs ORDER BY run_id"
    )


def test_a_run_is_in_the_run_log_with_what_it_did(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6)), UserEvent(received_at=at(6))])
    warehouse.process(date(2020, 12, 6))
    assert run_log(warehouse.database) == [
        ("users_dim", "2020-12-06", "succeeded", 2, 1, None, True),
        ("user_events_daily", "2020-12-06", "succeeded", 2, 1, None, True),
    ]


def test_a_run_that_fails_changes_nothing_but_the_run_log(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6))])
    rows = warehouse.database.rows
    rows("ALTER TABLE reports.user_events_daily ADD CONSTRAINT never CHECK (n_total = 0)")
    try:
        result = run("etls", "run", "user_events_daily", "--date", "2020-12-06")
    finally:
        rows("ALTER TABLE reports.user_events_daily DROP CONSTRAINT never")
    assert result.returncode == 1 and "never" in result.stderr and "Traceback" not in result.stderr
    assert not warehouse.report()
    ((_, _, status, _, _, error, finished),) = run_log(warehouse.database)
    assert (status, finished) == ("failed", True) and "never" in error


def test_a_run_that_was_killed_is_marked_by_the_next(warehouse: Warehouse) -> None:
    warehouse.database.rows(
        "INSERT INTO meta.etl_runs (etl, version, import_date, status)"
        " VALUES ('users_dim', 1, '2020-12-06', 'running')"
    )
    warehouse.process(date(2020, 12, 6))
    assert [row[2] for row in run_log(warehouse.database)] == ["failed", "succeeded", "succeeded"]
    assert run_log(warehouse.database)[0][5] == "killed before it finished"


def test_two_runs_of_an_etl_take_turns(warehouse: Warehouse) -> None:
    warehouse.load(sample_events()[:500])
    failures: list[WarehouseError] = []

    def process() -> None:
        try:
            with connect(os.environ["DATABASE_URL"], "rival", ETL) as connection:
                for _ in range(5):
                    list(run_etl(connection, USERS_DIM, [FIRST_DAY], full=True))
        except WarehouseError as error:
            failures.append(error)

    rivals = [threading.Thread(target=process) for _ in range(3)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert not failures
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)
    assert [row[2] for row in run_log(warehouse.database)] == ["succeeded"] * 15


def test_a_run_that_has_to_wait_says_so(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6))])
    with connect(os.environ["DATABASE_URL"], "rival", ETL) as rival:
        lock_of_rival = ExitStack()
        lock_of_rival.enter_context(run_lock(rival, USERS_DIM))
        with running_etl() as process:
            assert process.stderr
            said = process.stderr.readline()
            assert said == "users_dim: another run is at work, waiting for its end\n"
            assert not warehouse.dimension()
            lock_of_rival.close()
            assert process.wait(timeout=30) == 0
    assert len(warehouse.dimension()) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_ends_in_the_server_too(
    warehouse: Warehouse, how: signal.Signals
) -> None:
    warehouse.load([UserEvent(id="a", received_at=at(6)), UserEvent(id="b", received_at=at(6))])
    at_work = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'event-etl'"
    in_its_way = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with connect(os.environ["DATABASE_URL"], "rival") as rival, running_etl() as process:
        with rival.cursor() as cursor:
            cursor.execute("LOCK TABLE crm.user_repeats")
        eventually(lambda: warehouse.database.rows(in_its_way) == [(1,)])
        process.send_signal(how)
        assert process.wait(timeout=5) == -how, "not only when the statement has ended"
        eventually(lambda: warehouse.database.rows(at_work) == [(0,)])
        rival.rollback()
    warehouse.process(date(2020, 12, 6))
    assert [row[2] for row in run_log(warehouse.database)] == ["failed", "succeeded", "succeeded"]


def test_readers_beside_runs_see_all_of_a_date_or_nothing(warehouse: Warehouse) -> None:
    users = [UserEvent(id=f"user {n:04}", received_at=at(5)) for n in range(400)]
    days = all_days(date(2020, 12, 5), date(2020, 12, 9))
    for number, day in enumerate(days):
        warehouse.load(
            [user.updated(f"{day} 10:00:00.000000", plan_name=f"{number}") for user in users]
        )
    seen: Counter[tuple[int, ...]] = Counter()
    is_done = threading.Event()

    def read() -> None:
        with connect(os.environ["DATABASE_URL"], "reader", READ) as connection:
            while not is_done.is_set():
                with connection, connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT count(*) FILTER (WHERE valid_from::date = day), count(*) FILTER"
                        " (WHERE is_valid) FROM unnest(%s::date[]) AS day LEFT JOIN crm.users_dim"
                        " ON true GROUP BY day ORDER BY day",
                        (days,),
                    )
                    counts = cursor.fetchall()
                seen[tuple(begun for begun, _ in counts)] += 1
                seen[tuple(valid for _, valid in counts)] += 1

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    shuffled = random.Random(SEED)
    for _ in range(3):
        order = days[:]
        shuffled.shuffle(order)
        for day in order:
            warehouse.process(day)
        warehouse.run(days, full=True)
        warehouse.database.rows("TRUNCATE crm.user_history, meta.etl_runs")
    is_done.set()
    for reader in readers:
        reader.join()
    assert sum(seen.values()) > 20 and len(seen) > 3
    assert all(count in (0, 400) for counts in seen for count in counts), seen


def test_the_command_says_what_it_did(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6))])
    result = run(
        "etls",
        "run",
        "users_dim",
        "user_events_daily",
        "--from",
        "2020-12-06",
        "--to",
        "2020-12-07",
    )
    lines = result.stdout.splitlines()
    assert [line.rsplit(" (", 1)[0] for line in lines] == [
        "users_dim 2020-12-06: 1 rows read, 1 written",
        "users_dim 2020-12-07: no events on this date",
        "user_events_daily 2020-12-06: 1 rows read, 1 written",
        "user_events_daily 2020-12-07: no events on this date",
    ]
    assert result.returncode == 0


def test_the_date_may_stand_in_the_environment(warehouse: Warehouse) -> None:
    assert not warehouse.events
    result = run("etls", "run", "users_dim", IMPORT_DATE="2020-12-05")
    assert result.stdout.startswith("users_dim 2020-12-05: no events on this date")


@pytest.mark.parametrize("environment", [{}, {"IMPORT_DATE": "5.12.2020"}])
def test_a_missing_or_malformed_date_is_exit_code_2(environment: dict[str, str]) -> None:
    result = run("etls", "run", "users_dim", **environment)
    assert result.returncode == 2
    assert "type IMPORT_DATE=2020-12-05 make users_dim" in result.stderr


def test_a_database_that_is_away_is_one_line_and_exit_code_1() -> None:
    result = run(
        "etls", "run", "users_dim", "--date", "2020-12-05",
        DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x",
    )  # fmt: skip
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: PostgreSQL (DATABASE_URL)")
    assert "secret" not in result.stderr


def test_organizations_are_loaded_by_copy_and_again_without_a_change(
    database: Database, tmp_path: Path
) -> None:
    path = str(SAMPLES / "organizations.csv")
    assert "200 new or changed, 0 rejected" in run("etls", "load", "organizations", path).stdout
    assert "0 new or changed" in run("etls", "load", "organizations", path).stdout
    changed = tmp_path / "o.csv"
    changed.write_text(
        "organization_key,organization_name,created_at\n"
        "org-0001,Old,2020-01-01 00:00:00\norg-0001,New,2020-01-01 00:00:00\n,Nameless,never\n"
    )
    result = run("etls", "load", "organizations", str(changed))
    assert "3 rows read: 1 new or changed, 1 rejected" in result.stdout
    assert f"{changed}, line 4: organization_key: Field required" in result.stderr
    names = database.rows(
        "SELECT organization_name FROM crm.organizations_dim WHERE organization_key = 'org-0001'"
    )
    assert names == [("New",)] and database.count("crm.organizations_dim") == 200


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["organizations", "/nowhere.csv"], "/nowhere.csv: No such file"),
        (["user_events", "x.csv"], "user_events goes through the queue: make import"),
        (
            ["organizations", str(SAMPLES / "activity.csv")],
            "line 1: this is no header of organizations",
        ),
    ],
)
def test_a_wrong_load_says_what_is_wrong(arguments: list[str], complaint: str) -> None:
    result = run("etls", "load", *arguments)
    assert result.returncode == 2 and complaint in result.stderr


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (INGEST, "DELETE FROM raw.user_events"),
        (INGEST, "SELECT FROM crm.users_dim"),
        (INGEST, "CREATE TABLE raw.mine ()"),
        (ETL, "DELETE FROM raw.user_events"),
        (ETL, "INSERT INTO raw.user_events DEFAULT VALUES"),
        (ETL, "DROP TABLE crm.users_dim"),
        (READ, "DELETE FROM reports.user_events_daily"),
        (READ, "UPDATE crm.users_dim SET id = id"),
    ],
)
def test_a_role_may_do_no_more_than_its_job(database: Database, role: str, statement: str) -> None:
    assert database
    with open_connection(os.environ["DATABASE_URL"], "tests", role) as connection:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
        connection.rollback()
    connection.close()
