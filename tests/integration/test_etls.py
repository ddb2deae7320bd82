"""The two ETLs on a real PostgreSQL, against an oracle that shares nothing with their SQL."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etls.runner
from consumer.batch import unpack
from consumer.writer import RawTables
from etls.catalogue import ETLS, Etl
from etls.ledger import FULL, changes, standings
from etls.runner import (
    EVERYBODY,
    CheckFailed,
    Job,
    Run,
    Users,
    execute,
    passed_checks,
    run_etl,
    turn,
)
from feeds import FEEDS
from feeds.core.records import parse_header, split_records
from feeds.core.rows import Accepted, read_records, validate
from tests import oracle
from tests.builders import SAMPLES, USER_EVENTS, UserEvent, delivery
from tests.integration.conftest import Database, eventually, run
from warehouse.errors import WarehouseError
from warehouse.message import CSV, IMPORTED_AT
from warehouse.postgres import ETL, INGEST, READ, Connection, connect, open_connection

USERS_DIM, DAILY = ETLS["users_dim"], ETLS["user_events_daily"]
FIRST_DAY = date(2020, 12, 5)
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "60"))
WORTH_TWO = etls.runner.LEAST_FOR_TWO
VERSION = (
    "id, username, user_email, user_type, organization_name, plan_name,"
    " valid_from, valid_to, is_valid, is_deleted"
)
# Users in more pages than a test has events, and a run that says it opened versions in as many.
CROWD = """
    WITH crowd AS (
        INSERT INTO crm.users_dim (event_sk, id, username, valid_from, is_valid, is_deleted)
        SELECT
            gen_random_uuid(), 'other ' || n, string_agg(md5(n || 'x' || part), ''), '2019-12-31',
            true, false
        FROM generate_series(1, 400) AS n
        CROSS JOIN generate_series(1, 40) AS part
        GROUP BY n
    )
    INSERT INTO meta.etl_runs (etl, import_date, status, rows_written)
    VALUES ('users_dim', '2030-01-01', 'failed', 100000)
"""
REPORT = "event_date, n_created, n_updated, n_deleted, n_unique, n_total"


class Warehouse:
    """Raw tables that a test fills, and ETLs that it runs."""

    def __init__(self, database: Database, etl: Connection) -> None:
        self.database = database
        self._etl = etl
        self._tables = RawTables(os.environ["DATABASE_URL"])
        self._imports = 0
        self.events: list[oracle.Event] = []

    def start_afresh(self, *, crowded: bool = False, in_two: bool = False) -> "Warehouse":
        """Nothing imported, nothing processed; ``crowded``: by us, but so many others are there
        that versions are looked up user by user; ``in_two``: every run is shared by two sessions,
        however little there is to do."""
        etls.runner.LEAST_FOR_TWO = 1 if in_two else WORTH_TWO
        self.database.empty()
        self._imports = 0
        self.events = []
        if crowded:
            self.database.rows(CROWD)
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
                len(self.events) + position,
            )
            for position, event in enumerate(events)
        ]

    def process(self, *days: date) -> None:
        """Run both ETLs."""
        for day in days:
            self.run([day])

    def run(self, dates: Sequence[date], *, full: bool = False) -> list[Run]:
        """Run both ETLs for dates in one go."""
        return [
            run for etl in (USERS_DIM, DAILY) for run in run_etl(self._etl, etl, dates, full=full)
        ]

    def run_half(self, day: date, half: int) -> None:
        """What is left of a run if one of its two sessions is ended between the two commits."""
        with self._etl, self._etl.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            job = Job(USERS_DIM, changes(cursor, USERS_DIM, [day]), full=False)
            execute(cursor, job, [Users("", "b"), Users("b", "")][half])

    def stale(self, etl: Etl) -> set[date]:
        """The dates that the ledger would have run again."""
        with self._etl, self._etl.cursor() as cursor:
            return {s.import_date for s in standings(cursor, etl) if s.is_stale}

    def dimension(self) -> list[tuple[Any, ...]]:
        """crm.users_dim without its key and a crowd."""
        return self.database.rows(
            f"SELECT {VERSION} FROM crm.users_dim WHERE id NOT LIKE 'other %'"
            ' ORDER BY id COLLATE "C", valid_from'
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


def test_a_run_leaves_what_ended_easy_to_find(warehouse: Warehouse) -> None:
    users = [UserEvent(id=f"user {number}", received_at=at(5)) for number in range(3000)]
    warehouse.load([*users, *(user.updated(at(6), plan_name="B") for user in users)])
    warehouse.process(date(2020, 12, 5), date(2020, 12, 6))
    ((n_ranges, n_statistics),) = warehouse.database.rows(
        "SELECT brin_summarize_new_values('crm.users_dim_ended'), (SELECT count(*) FROM pg_stats"
        " WHERE tablename = 'users_dim_past' AND attname = 'valid_to')"
    )
    assert n_ranges == 0, "the run itself has summarised every block range"
    assert n_statistics == 1, "the planner knows what is in them"


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
    warehouse.database.rows(
        "TRUNCATE crm.users_dim, crm.user_repeats, reports.user_events_daily, meta.etl_runs"
    )
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


class HalfRun(NamedTuple):
    """What one of the two sessions of a run does."""

    day: date
    half: int


RUNS = st.tuples(DAYS, DAYS, st.booleans())  # from, to (the other way round if need be), full
HALF_RUNS = st.builds(HalfRun, DAYS, st.integers(0, 1))


@pytest.mark.timeout(max(180, EXAMPLES))  # seconds
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(st.one_of(LIVES, RUNS, HALF_RUNS), min_size=1, max_size=8),
    rerun=st.randoms(use_true_random=False),
    crowded=st.booleans(),
    in_two=st.booleans(),
)
def test_tables_depend_on_which_dates_ran_and_not_on_how(
    shared_warehouse: Warehouse, steps: list[Any], rerun: Any, crowded: bool, in_two: bool
) -> None:
    warehouse = shared_warehouse.start_afresh(crowded=crowded, in_two=in_two)
    processed: set[date] = set()
    stale: set[date] = set()
    halved: set[date] = set()
    for step in steps:
        if isinstance(step, HalfRun):
            warehouse.run_half(step.day, step.half)
            halved.add(step.day)
        elif isinstance(step, tuple):
            dates = all_days(*sorted(step[:2]))
            check_counts(warehouse.run(dates, full=step[2]), warehouse)
            processed.update(dates)
            stale -= set(dates)
            halved -= set(dates)
        else:
            warehouse.load(step)
            stale |= {date.fromisoformat(event.received_at[:10]) for event in step}
    assert warehouse.stale(USERS_DIM) == warehouse.stale(DAILY) == stale
    order = sorted(stale & processed | halved)
    rerun.shuffle(order)
    warehouse.process(*order)
    processed |= halved
    visible = oracle.on_dates(warehouse.events, processed)
    assert warehouse.dimension() == oracle.users_dim(visible)
    assert warehouse.report() == oracle.user_events_daily(visible)
    result = warehouse.everything()
    if processed:
        warehouse.run(sorted(processed), full=True)
    assert warehouse.everything() == result, "whole again"


@pytest.mark.timeout(max(180, EXAMPLES))  # seconds
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lives=LIVES,
    accident=st.sampled_from(
        [
            "UPDATE crm.users_dim SET valid_to = valid_to + INTERVAL '1 hour'",
            "UPDATE crm.users_dim SET valid_to = valid_to - INTERVAL '1 hour'",
            "UPDATE crm.users_dim SET valid_from = valid_from + INTERVAL '1 microsecond'",
            "DELETE FROM crm.users_dim",
        ]
    ),
    choice=st.integers(0, 11),
    crowded=st.booleans(),
    in_two=st.booleans(),
)
def test_the_checks_of_users_dim_notice_every_version_that_is_wrong(
    shared_warehouse: Warehouse,
    lives: list[UserEvent],
    accident: str,
    choice: int,
    crowded: bool,
    in_two: bool,
) -> None:
    warehouse = shared_warehouse.start_afresh(crowded=crowded, in_two=in_two)
    warehouse.load(lives)
    days = oracle.week(FIRST_DAY)
    warehouse.run(days)
    versions = [(v[0], v[6], v[7]) for v in warehouse.dimension()]
    user, start, end = versions[choice % len(versions)]
    with warehouse.database.connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT meta.promise_checks()")
        try:
            dates = whole(cursor, days)
            cursor.execute(f"{accident} WHERE id = %s AND valid_from = %s", (user, start))
            if "SET valid_to" in accident and end is None:  # there is no end to move
                passed_checks(cursor, USERS_DIM, dates)
            else:
                with pytest.raises(CheckFailed):
                    passed_checks(cursor, USERS_DIM, dates)
            assert looks_up(cursor) == (crowded, crowded)
        finally:
            cursor.execute("ROLLBACK")


def whole(cursor: Any, days: Sequence[date]) -> dict[str, object]:
    """What the checks of all of these days are told."""
    return Job(USERS_DIM, changes(cursor, USERS_DIM, days), full=True).parameters(EVERYBODY)


def looks_up(cursor: Any) -> tuple[bool, bool]:
    """Whether the checks found valid, and past, versions user by user."""
    cursor.execute(
        "SELECT current_setting('etl.is_valid_by_key')::bool,"
        " current_setting('etl.is_past_by_key')::bool"
    )
    ((valid, past),) = cursor.fetchall()
    return valid, past


@pytest.mark.parametrize("crowded", [False, True], ids=["read through", "by key"])
@pytest.mark.parametrize("wrong_end", [at(6), at(9)], ids=["a gap before it", "an overlap with it"])
def test_the_checks_of_a_date_see_the_version_before_it(
    shared_warehouse: Warehouse, database: Database, wrong_end: str, crowded: bool
) -> None:
    warehouse = shared_warehouse.start_afresh(crowded=crowded)
    created = UserEvent(received_at=at(5))
    warehouse.load([created, created.updated(at(7), plan_name="Gold")])
    warehouse.run([date(2020, 12, 5), date(2020, 12, 7)])
    with database.connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT meta.promise_checks()")
        try:
            dates = whole(cursor, [date(2020, 12, 7)])
            passed_checks(cursor, USERS_DIM, dates)
            cursor.execute("UPDATE crm.users_dim_past SET valid_to = %s", (wrong_end,))
            with pytest.raises(CheckFailed, match="where a version begins the one before ends"):
                passed_checks(cursor, USERS_DIM, dates)
        finally:
            cursor.execute("ROLLBACK")


def version(start: str, end: str | None, *, valid: bool) -> tuple[object, ...]:
    return ("zeus", start, end, valid)


@pytest.mark.parametrize(
    ("versions", "constraint"),
    [
        ([version(at(5), None, valid=True), version(at(6), None, valid=True)], "users_dim"),
        ([version(at(5), at(6), valid=False)] * 2, "users_dim_start"),
        ([version(at(5), at(6), valid=False), version(at(5), None, valid=True)], "overlap"),
        ([version(at(5), None, valid=True), version(at(5), at(6), valid=False)], "overlap"),
        ([version(at(7), at(8), valid=False), version(at(5), None, valid=True)], "overlap"),
        ([version(at(5), at(7), valid=False), version(at(6), at(8), valid=False)], "overlap"),
        ([version(at(6), at(7), valid=False), version(at(5), at(8), valid=False)], "overlap"),
        ([version(at(6), at(5), valid=False)], "users_dim_interval"),
        ([version(at(6), at(6), valid=False)], "users_dim_interval"),
        ([version(at(5), at(6), valid=True)], "users_dim_state"),
    ],
    ids=[
        "two valid",
        "one past instant twice",
        "one instant twice, the valid one last",
        "one instant twice, the past one last",
        "the valid one ahead of a past one",
        "past ones that overlap",
        "a past one within another",
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


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("users_dim_valid", f"valid_from = '{at(6)}' WHERE id = 'zeus'"),
        ("users_dim", f"valid_from = '{at(6)}' WHERE id = 'zeus' AND is_valid"),
        ("users_dim_valid", "id = 'hera' WHERE id = 'ares'"),
        ("users_dim_past", f"valid_to = '{at(9)}' WHERE id = 'zeus'"),
        ("users_dim_past", f"valid_from = '{at(5)}' WHERE id = 'hera' AND valid_to = '{at(8)}'"),
        ("users_dim", f"is_valid = true, valid_to = NULL WHERE valid_from = '{at(4)}'"),
    ],
)
def test_the_database_refuses_an_update_that_makes_versions_overlap(
    database: Database, table: str, change: str
) -> None:
    for user, start, end in [
        ("zeus", at(5), at(7)),
        ("zeus", at(8), None),
        ("hera", at(4), at(6)),
        ("hera", at(7), at(8)),
        ("ares", at(5), None),
    ]:
        database.rows(
            "INSERT INTO crm.users_dim (event_sk, id, valid_from, valid_to, is_valid, is_deleted)"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s, false)",
            *(user, start, end, end is None),
        )
    with pytest.raises(psycopg2.IntegrityError, match="overlap"):
        database.rows(f"UPDATE crm.{table} SET {change}")


def ledger(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT etl, import_date::text, status, rows_read, rows_written, error,"
        " finished_at >= started_at FROM meta.etl_runs ORDER BY run_id"
    )


def test_a_run_is_in_the_ledger_with_what_it_did(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6)), UserEvent(received_at=at(6))])
    warehouse.process(date(2020, 12, 6))
    assert ledger(warehouse.database) == [
        ("users_dim", "2020-12-06", "succeeded", 2, 1, None, True),
        ("user_events_daily", "2020-12-06", "succeeded", 2, 1, None, True),
    ]


def test_a_run_that_fails_changes_nothing_but_the_ledger(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6))])
    rows = warehouse.database.rows
    rows("ALTER TABLE reports.user_events_daily ADD CONSTRAINT never CHECK (n_total = 0)")
    try:
        result = run("etls", "run", "user_events_daily", "--date", "2020-12-06")
    finally:
        rows("ALTER TABLE reports.user_events_daily DROP CONSTRAINT never")
    assert result.returncode == 1 and "never" in result.stderr and "Traceback" not in result.stderr
    assert not warehouse.report()
    ((_, _, status, _, _, error, finished),) = ledger(warehouse.database)
    assert (status, finished) == ("failed", True) and "never" in error


def test_a_run_that_was_killed_is_marked_by_the_next(warehouse: Warehouse) -> None:
    warehouse.database.rows(
        "INSERT INTO meta.etl_runs (etl, import_date, status)"
        " VALUES ('users_dim', '2020-12-06', 'running')"
    )
    warehouse.process(date(2020, 12, 6))
    assert [row[2] for row in ledger(warehouse.database)] == ["failed", "succeeded", "succeeded"]
    assert ledger(warehouse.database)[0][5] == "killed before it finished"


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
    assert [row[2] for row in ledger(warehouse.database)] == ["succeeded"] * 15


@contextmanager
def running_etl(step: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A run of users_dim on the 6th under way; ``step``: it dies there."""
    program = ["tests.dying", step] if step else ["etls"]
    with subprocess.Popen(
        [sys.executable, "-m", *program, "run", "users_dim", "--date", "2020-12-06"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_run_that_has_to_wait_says_so(warehouse: Warehouse) -> None:
    warehouse.load([UserEvent(received_at=at(6))])
    with connect(os.environ["DATABASE_URL"], "rival", ETL) as rival:
        turn_of_rival = ExitStack()
        turn_of_rival.enter_context(turn(rival, USERS_DIM))
        with running_etl() as process:
            assert process.stderr
            said = process.stderr.readline()
            assert said == "users_dim: another run is at work, waiting for its end\n"
            assert not warehouse.dimension()
            turn_of_rival.close()
            assert process.wait(timeout=30) == 0
    assert len(warehouse.dimension()) == 1


@pytest.mark.parametrize("sessions", [1, 2])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_ends_in_the_server_too(
    warehouse: Warehouse, how: signal.Signals, sessions: int
) -> None:
    warehouse.load([UserEvent(id="a", received_at=at(6)), UserEvent(id="b", received_at=at(6))])
    at_work = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'event-etl'"
    in_its_way = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    step = "in-two" if sessions == 2 else None
    with connect(os.environ["DATABASE_URL"], "rival") as rival, running_etl(step) as process:
        with rival.cursor() as cursor:
            cursor.execute("LOCK TABLE crm.user_repeats")
        eventually(lambda: warehouse.database.rows(in_its_way) == [(sessions,)])
        process.send_signal(how)
        assert process.wait(timeout=5) == -how, "not only when the statement has ended"
        eventually(lambda: warehouse.database.rows(at_work) == [(0,)])
        rival.rollback()
    warehouse.process(date(2020, 12, 6))
    assert [row[2] for row in ledger(warehouse.database)] == ["failed", "succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("step", "has_run"),
    [("before-the-leader-commits", False), ("after-the-leader-has-committed", True)],
)
def test_two_sessions_of_a_run_that_is_killed_have_both_committed_or_neither(
    warehouse: Warehouse, step: str, has_run: bool
) -> None:
    warehouse.load([UserEvent(id=name, received_at=at(6)) for name in "abcd"])
    with running_etl(step) as process:
        assert process.wait(timeout=30) == -signal.SIGKILL
    at_work = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'event-etl'"
    eventually(lambda: warehouse.database.rows(at_work) == [(0,)])
    assert [version[0] for version in warehouse.dimension()] == (list("abcd") if has_run else [])
    assert [row[2] for row in ledger(warehouse.database)] == ["succeeded" if has_run else "running"]
    warehouse.run([date(2020, 12, 6)])
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)


def test_a_session_that_follows_one_that_fails_is_rolled_back(warehouse: Warehouse) -> None:
    warehouse.start_afresh(in_two=True).load(
        [UserEvent(id=name, received_at=at(6)) for name in "abcd"]
    )
    rows = warehouse.database.rows
    for broken in ("a", "d"):  # in the share of the one, and of the other
        rows(f"ALTER TABLE crm.users_dim_valid ADD CONSTRAINT never CHECK (id <> '{broken}')")
        try:
            with pytest.raises(WarehouseError, match="never"):
                warehouse.run([date(2020, 12, 6)])
        finally:
            rows("ALTER TABLE crm.users_dim_valid DROP CONSTRAINT never")
        assert not warehouse.dimension()
    assert [row[2] for row in ledger(warehouse.database)] == ["failed"] * 2


def test_two_sessions_that_are_in_each_others_way_become_one(warehouse: Warehouse) -> None:
    warehouse.start_afresh(in_two=True).load(
        [UserEvent(id=name, received_at=at(6)) for name in "abcd"]
    )
    rows = warehouse.database.rows
    rows(
        "CREATE TABLE crm.changes AS SELECT 0 AS n; GRANT ALL ON crm.changes TO warehouse_etl;"
        "CREATE FUNCTION crm.count_changes() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE crm.changes SET n = n + 1; RETURN NULL; END $$;"
        "CREATE TRIGGER counted AFTER INSERT ON crm.users_dim_valid"
        " FOR EACH ROW EXECUTE FUNCTION crm.count_changes()"
    )
    try:
        warehouse.run([date(2020, 12, 6)])
        assert rows("SELECT n FROM crm.changes") == [(4,)]
    finally:
        rows("DROP FUNCTION crm.count_changes CASCADE; DROP TABLE crm.changes")
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)
    of_users = [(row[2], row[5]) for row in ledger(warehouse.database) if row[0] == "users_dim"]
    assert [status for status, _ in of_users] == ["failed", "succeeded"]
    assert "lock timeout" in of_users[0][1]


def test_one_session_does_it_all_where_a_role_may_have_no_second(
    warehouse: Warehouse, administrator: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.start_afresh(in_two=True).load(
        [UserEvent(id=name, received_at=at(6)) for name in "abcd"]
    )
    administrator.rows(
        "CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 1 IN ROLE warehouse_etl"
    )
    parts = urlsplit(os.environ["DATABASE_URL"])
    limited = parts._replace(netloc=f"limited:limited@{parts.hostname}:{parts.port}").geturl()
    try:
        with connect(limited, "event-etl", ETL) as connection:
            (done,) = run_etl(connection, USERS_DIM, [date(2020, 12, 6)])
    finally:
        administrator.rows("DROP ROLE limited")
    assert warehouse.dimension() == oracle.users_dim(warehouse.events)
    assert [row[2] for row in ledger(warehouse.database)] == ["succeeded"]
    assert done.outcome.rows_written == 4
    said = capsys.readouterr().err
    assert said.startswith("users_dim: one session does what two would") and "too many" in said


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
