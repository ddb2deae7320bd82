"""Days of raw tables: partitions, late commits, retention, and what runs say and refuse."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from consumer.batch import unpack
from consumer.writer import RawTables
from etls.catalogue import ETLS
from feeds import FEEDS
from tests.builders import USER_EVENTS, UserEvent, delivery
from tests.integration.conftest import Database, eventually, run
from warehouse.message import CSV
from warehouse.postgres import INGEST, connect

DAY = "2020-12-06"
NEXT_DAY = "2020-12-07"
INSERT = (
    "INSERT INTO raw.user_events (event_id, id, event_type, received_at, imported_at, line)"
    " VALUES (gen_random_uuid(), %s, 'User Updated', %s, now(), 1)"
)


@pytest.fixture(name="tables")
def _tables(database: Database) -> Iterator[RawTables]:
    for (partition,) in database.rows(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'raw.user_events'::regclass"
        " AND inhrelid <> 'raw_days.user_events_other'::regclass"
    ):
        database.rows(f"DROP TABLE {partition}")
    tables = RawTables(os.environ["DATABASE_URL"])
    yield tables
    tables.close()


def store(tables: RawTables, *events: UserEvent, first_line: int = 2) -> None:
    body = f"{','.join(USER_EVENTS.header)}\n{''.join(event.line for event in events)}"
    headers: dict[str, object] = {"first-line": first_line}
    tables.write([unpack(delivery(body, CSV, headers=headers), FEEDS)])


def places(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT tableoid::regclass::text, count(*) FROM raw.user_events GROUP BY 1 ORDER BY 1"
    )


def etl(*arguments: str) -> list[str]:
    """What an ETL command says, without the seconds."""
    result = run("etls", *arguments)
    assert result.returncode == 0, result.stderr
    return [line.rsplit(" (", 1)[0] for line in result.stdout.splitlines()]


def test_two_consumers_may_meet_a_new_day_at_once(tables: RawTables, database: Database) -> None:
    assert tables
    add_day = "SELECT raw.add_day('raw.user_events', %s)"
    with (
        ThreadPoolExecutor(1) as pool,
        connect(os.environ["DATABASE_URL"], "first", INGEST) as first,
        connect(os.environ["DATABASE_URL"], "second", INGEST) as second,
        first.cursor() as one,
        second.cursor() as other,
    ):
        one.execute(add_day, (DAY,))
        waiting = pool.submit(other.execute, add_day, (DAY,))
        eventually(lambda: database.rows("SELECT pid FROM pg_locks WHERE NOT granted") != [])
        first.commit()
        waiting.result()
        assert other.fetchall() == [(True,)]


def test_every_day_has_its_partition_and_absurd_days_share_one(
    tables: RawTables, database: Database
) -> None:
    store(
        tables,
        UserEvent(received_at=f"{DAY} 23:59:59.999999"),
        UserEvent(received_at="2020-12-07 00:00:00"),
        UserEvent(received_at="1970-01-01 00:00:00"),
        UserEvent(received_at="9999-12-31 23:00:00"),
    )
    assert places(database) == [
        ("raw_days.user_events_20201206", 1),
        ("raw_days.user_events_20201207", 1),
        ("raw_days.user_events_other", 2),
    ]
    assert etl("status", "users_dim") == [
        "users_dim: 4 of 4 dates are stale",
        "  1970-01-01  never run, 1 events",
        "  2020-12-06  never run, 1 events",
        "  2020-12-07  never run, 1 events",
        "  9999-12-31  never run, 1 events",
    ]
    assert len(etl("run", "users_dim", "--stale")) == 4
    assert database.count("crm.users_dim") == 1, "one life, in which nothing changed"


def test_a_long_query_does_not_hold_up_a_new_day(tables: RawTables, database: Database) -> None:
    with connect(os.environ["DATABASE_URL"], "reader") as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM raw.user_events")
        store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
        assert places(database) == [("raw_days.user_events_other", 1)]
    again = RawTables(os.environ["DATABASE_URL"])
    store(again, UserEvent(id="hera", received_at=f"{DAY} 11:00:00"), first_line=9)
    again.close()
    assert places(database) == [("raw_days.user_events_20201206", 2)], "both are where they belong"


def test_the_same_event_is_known_wherever_it_lies(tables: RawTables, database: Database) -> None:
    zeus = UserEvent(received_at="1970-01-01 00:00:00")
    for _ in range(2):
        store(tables, zeus, UserEvent(received_at=f"{DAY} 10:00:00"))
    assert database.count("raw.user_events") == 2


def test_an_event_that_commits_late_with_a_smaller_number_is_not_missed(
    tables: RawTables, database: Database
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    with connect(os.environ["DATABASE_URL"], "slow", INGEST) as slow, slow.cursor() as cursor:
        cursor.execute(INSERT, ("late", f"{DAY} 09:00:00"))  # its number is drawn now
        store(tables, UserEvent(id="hera", received_at=f"{DAY} 11:00:00"), first_line=9)
        assert etl("run", "users_dim", "--date", DAY) == [
            f"users_dim {DAY}: 2 rows read, 2 written"
        ]
        slow.commit()
    assert etl("status", "users_dim")[0] == "users_dim: 1 of 1 dates are stale"
    assert etl("run", "users_dim", "--stale") == [f"users_dim {DAY}: 1 of 3 rows read, 1 written"]
    assert etl("run", "users_dim", "--date", DAY) == [
        f"users_dim {DAY}: nothing new among 3 events"
    ]
    assert etl("run", "users_dim", "--stale") == ["users_dim: no date is stale"]
    assert database.count("crm.users_dim") == 3


def test_a_run_notices_that_events_have_gone(tables: RawTables, database: Database) -> None:
    zeus = UserEvent(received_at=f"{DAY} 10:00:00")
    store(tables, zeus, UserEvent(id="hera", received_at=f"{DAY} 11:00:00"))
    etl("run", "users_dim", "--date", DAY)
    database.rows("DELETE FROM raw.user_events WHERE id = 'hera'")
    assert etl("run", "users_dim", "--date", DAY) == [f"users_dim {DAY}: 1 rows read, 1 written"]
    assert database.rows("SELECT id FROM crm.users_dim") == [(zeus.id,)]


@pytest.mark.parametrize("change", ["version = 0", "server = 'another'"])
def test_what_another_version_or_server_made_is_stale(
    tables: RawTables, database: Database, change: str
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    etl("run", "users_dim", "--date", DAY)
    assert etl("status", "users_dim") == ["users_dim: 0 of 1 dates are stale"]
    database.rows(f"UPDATE meta.etl_runs SET {change}")
    assert "made by another version of the ETL" in etl("status", "users_dim")[1]
    assert etl("run", "users_dim", "--stale") == [f"users_dim {DAY}: 1 rows read, 1 written"]


def test_pruned_dates_are_never_stale_whatever_the_version(
    tables: RawTables, database: Database
) -> None:
    store(tables, *(UserEvent(received_at=f"{day} 10:00:00") for day in (DAY, NEXT_DAY)))
    etl("run", *ETLS, "--stale")
    etl("prune", "--before", NEXT_DAY, "--yes")
    database.rows("UPDATE meta.etl_runs SET version = 0")
    assert etl("status", "users_dim")[0] == "users_dim: 1 of 1 dates are stale"


def test_a_broken_check_fails_the_run_and_keeps_nothing(
    tables: RawTables, database: Database
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    database.rows(
        "CREATE FUNCTION swindle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.n_total := 7; RETURN NEW; END $$;"
        "CREATE TRIGGER swindle BEFORE INSERT ON reports.user_events_daily"
        " FOR EACH ROW EXECUTE FUNCTION swindle()"
    )
    try:
        result = run("etls", "run", "user_events_daily", "--date", DAY)
    finally:
        database.rows("DROP FUNCTION swindle CASCADE")
    assert result.returncode == 1
    assert "the total is the number of events in raw: 1 times not" in result.stderr
    assert database.count("reports.user_events_daily") == 0
    assert database.rows("SELECT status FROM meta.etl_runs") == [("failed",)]


@pytest.mark.parametrize(
    "end",
    [
        "NEW.valid_to + INTERVAL '1 minute'",
        "NEW.valid_to - INTERVAL '1 minute'",
        "NEW.valid_from + INTERVAL '1 minute'",
        "NEW.valid_to + INTERVAL '1 week'",
    ],
    ids=["an overlap", "a gap", "a gap from an earlier date on", "an overlap with a later date"],
)
def test_a_run_that_would_leave_a_gap_or_an_overlap_fails(
    tables: RawTables, database: Database, end: str
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00", user_email="old@example.com"))
    etl("run", "users_dim", "--date", DAY)
    store(tables, UserEvent(received_at=f"{NEXT_DAY} 10:00:00", user_email="new@example.com"))
    before = database.rows("SELECT * FROM crm.users_dim")
    database.rows(
        "CREATE FUNCTION swindle() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN NEW.valid_to := {end}; RETURN NEW; END $$;"
        "CREATE TRIGGER swindle BEFORE INSERT ON crm.users_dim_past"
        " FOR EACH ROW EXECUTE FUNCTION swindle()"
    )
    try:
        result = run("etls", "run", "users_dim", "--date", NEXT_DAY)
    finally:
        database.rows("DROP FUNCTION swindle CASCADE")
    assert result.returncode == 1
    assert "a version ends where the next one begins, and the last one is valid: 1 times not" in (
        result.stderr
    )
    assert database.rows("SELECT * FROM crm.users_dim") == before


def test_checks_are_stored_with_the_run(tables: RawTables, database: Database) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    etl("run", *ETLS, "--date", DAY)
    found = database.rows("SELECT etl, checks FROM meta.etl_runs ORDER BY run_id")
    assert [name for name, _ in found] == list(ETLS)
    assert all(len(checks) >= 2 and set(checks.values()) == {0} for _, checks in found)


def test_a_run_killed_half_way_changes_nothing(tables: RawTables, database: Database) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    with connect(os.environ["DATABASE_URL"], "rival") as rival, rival.cursor() as cursor:
        cursor.execute("LOCK TABLE crm.users_dim IN SHARE MODE")  # the run reads, and waits
        with subprocess.Popen(
            [sys.executable, "-m", "etls", "run", "users_dim", "--date", DAY]
        ) as process:
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
            eventually(lambda: len(database.rows(waiting)) == 1)
            process.send_signal(signal.SIGKILL)
        rival.rollback()
    eventually(lambda: not database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
    assert database.count("crm.users_dim") == 0
    assert database.rows("SELECT status FROM meta.etl_runs") == [("running",)]
    etl("run", "users_dim", "--date", DAY)
    assert database.rows("SELECT status FROM meta.etl_runs ORDER BY run_id") == [
        ("failed",),
        ("succeeded",),
    ]
    assert database.count("crm.users_dim") == 1


def test_a_dry_run_says_what_it_would_do_and_does_not(
    tables: RawTables, database: Database
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    said = run("etls", "run", "users_dim", "--date", DAY, "--dry-run").stdout
    would, end = said.splitlines()
    assert would.startswith(
        f"users_dim {DAY}: 1 events, all to be done for the first time: 1 would be read,"
        " 1 rows written, 3 checks would hold ("
    )
    assert end == "nothing was kept: this was a dry run"
    plans = run("etls", "run", "users_dim", "--date", DAY, "--dry-run", "-v").stdout
    assert "INSERT INTO crm.user_history" in plans and "user_events_20201206" in plans
    assert "cost=" in plans and "-> 1 rows" in plans and would[:60] in plans
    assert database.count("crm.users_dim") == database.count("meta.etl_runs") == 0


def test_the_etls_are_listed() -> None:
    assert etl("list")[0].startswith("users_dim            raw.user_events -> crm.users_dim")


def test_users_as_of_an_instant(tables: RawTables, database: Database) -> None:
    zeus = UserEvent(received_at=f"{DAY} 10:00:00")
    store(tables, zeus, zeus.updated(f"{DAY} 11:00:00", plan_name="Gold"))
    store(tables, zeus.deleted(f"{DAY} 12:00:00"), first_line=9)
    etl("run", "users_dim", "--date", DAY)
    plans = [
        database.rows(f"SELECT plan_name FROM crm.users_as_of('{DAY} {time}+00')")
        for time in ("09:59:59", "10:00", "10:59:59.999999", "11:00", "12:00")
    ]
    assert plans == [[], [("Free",)], [("Free",)], [("Gold",)], []]


def test_only_processed_days_are_pruned_and_their_results_stay(
    tables: RawTables, database: Database
) -> None:
    zeus = UserEvent(received_at=f"{DAY} 10:00:00")
    store(
        tables,
        zeus,
        zeus.updated("2020-12-07 10:00:00", plan_name="Gold"),
        UserEvent(id="old", received_at="1970-01-01 00:00:00"),
    )
    etl("run", *ETLS, "--from", DAY, "--to", "2020-12-07")
    refused = run("etls", "prune", "--before", "2020-12-07")
    assert refused.returncode == 2
    assert "2 dates are not processed, the first is users_dim 1970-01-01" in refused.stderr
    etl("run", *ETLS, "--stale")
    before = database.rows("SELECT * FROM crm.users_dim ORDER BY 1")
    for refused in (
        run("etls", "prune", "--before", "2020-12-07", "--dry-run"),
        run("etls", "prune", "--before", "2020-12-07"),
    ):
        assert "raw.user_events: 2 days, 2 rows, 0.1 MB before 2020-12-07\n" in refused.stdout
        assert "dropped" in refused.stdout + refused.stderr
        assert database.count("raw.user_events") == 3, "a preview drops nothing"
    assert refused.returncode == 2 and "type YES=1" in refused.stderr
    said = etl("prune", "--before", "2020-12-07", "--yes")
    assert [line for line in said if "dropped" in line] == [
        "raw.user_events: 2 rows before 2020-12-07 dropped"
    ]
    assert etl("prune", "--before", "2020-12-07", "--yes") == ["no day before 2020-12-07 is there"]
    assert places(database) == [("raw_days.user_events_20201207", 1)]
    gone = run("etls", "run", "users_dim", "--date", DAY, "--full")
    assert gone.returncode == 2 and "have been pruned" in gone.stderr
    store(tables, UserEvent(id="late", received_at=f"{DAY} 12:00:00"), first_line=20)
    assert etl("status", "users_dim") == ["users_dim: 0 of 1 dates are stale"]
    etl("run", "users_dim", "--date", "2020-12-07", "--full")
    assert database.rows("SELECT * FROM crm.users_dim ORDER BY 1") == before


@pytest.mark.parametrize("day", [date(2020, 12, 6)])
def test_an_id_may_come_again_at_another_instant(
    tables: RawTables, database: Database, day: date
) -> None:
    event_id = "00000000-0000-4000-8000-000000000001"
    for hour in (10, 11):
        database.rows(INSERT.replace("gen_random_uuid()", f"'{event_id}'"), "z", f"{day} {hour}:00")
    assert tables
    database.rows("UPDATE raw.user_events SET plan_name = received_at::text")
    etl("run", "users_dim", "--date", str(day))
    assert database.count("crm.users_dim") == 2


@pytest.mark.parametrize("arguments", [[], ["--before", ""], ["--before", "soon"]])
def test_prune_names_what_is_missing_by_its_own_name(arguments: list[str]) -> None:
    result = run("etls", "prune", *arguments)
    assert result.returncode == 2
    assert "type make prune BEFORE=2020-12-06" in result.stderr
    assert "IMPORT_DATE" not in result.stderr


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_prune_asks_who_sits_at_a_terminal(
    answer: bytes, left: int, tables: RawTables, database: Database
) -> None:
    store(tables, UserEvent(received_at=f"{DAY} 10:00:00"))
    etl("run", *ETLS, "--stale")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "etls", "prune", "--before", NEXT_DAY],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        os.write(ours, answer)
        out, err = command.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Drop these rows?" in out
    assert (command.returncode, database.count("raw.user_events")) == (bool(left), left)
    assert (b"error: nothing was dropped" in err) == bool(left)
