"""The database's schema: how it gets there, and that it is what the feeds declare."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from consumer.batch import unpack
from consumer.writer import RawTables
from etls.catalogue import ETLS
from etls.runner import run_etl
from feeds import FEEDS
from feeds.core.declaration import Feed
from feeds.core.types import COLUMN_TYPES, column_type
from tests.builders import USER_EVENTS, UserEvent, delivery
from tests.integration.conftest import Database, run
from warehouse.errors import WarehouseError
from warehouse.message import CSV
from warehouse.migrate import migrate
from warehouse.postgres import ETL, Cursor, connect
from warehouse.queries import SQL

BOOKKEEPING = {"event_id", "imported_at", "line", "ingested_at"}
PARTITIONED = {"txid"}  # and only where a table has days


@pytest.fixture(name="fresh_url")
def _fresh_url(session_database: Database) -> Iterator[str]:
    """A database without a schema."""
    name = f"fresh_{os.getpid()}"
    session_database.rows(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    session_database.rows(f"DROP DATABASE {name} WITH (FORCE)")


def test_several_that_start_at_once_take_turns(fresh_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        rivals = [pool.submit(run, "warehouse.migrate", DATABASE_URL=fresh_url) for _ in range(3)]
    said = sorted(rival.result().stdout for rival in rivals)
    count = len(list((SQL / "migrations").glob("*.sql")))
    assert said[0].startswith(f"database: {count} migrations applied")
    assert said[1:] == ["database: up to date\n"] * 2


def test_a_killed_migration_leaves_nothing_and_no_lock(fresh_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "warehouse.migrate"], env={**os.environ, "DATABASE_URL": fresh_url}
    ) as rival:
        rival.kill()
    assert run("warehouse.migrate", DATABASE_URL=fresh_url).returncode == 0


def test_migrating_again_changes_nothing(session_database: Database) -> None:
    assert session_database
    assert run("warehouse.migrate").stdout == "database: up to date\n"


@pytest.fixture(name="baseline")
def _baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that a test may change."""
    shutil.copytree(SQL / "migrations", tmp_path / "migrations")
    monkeypatch.setattr("warehouse.migrate.SQL", tmp_path)
    return tmp_path / "migrations"


def test_comments_and_blanks_of_a_migration_may_change(fresh_url: str, baseline: Path) -> None:
    migrate(fresh_url)
    first = baseline / "0001_roles_and_schemas.sql"
    first.write_text("-- another comment\n\n" + first.read_text())
    assert not migrate(fresh_url)


def test_a_database_of_an_edited_baseline_is_refused(fresh_url: str, baseline: Path) -> None:
    migrate(fresh_url)
    third = baseline / "0003_ingestion.sql"
    third.write_text(third.read_text().replace("attempts bigint", "tries bigint"))
    with pytest.raises(WarehouseError, match="another checkout .0003_ingestion is another now"):
        migrate(fresh_url)


def test_a_database_of_a_newer_version_is_refused(fresh_url: str, baseline: Path) -> None:
    (baseline / "0007_more.sql").write_text("CREATE TABLE meta.more ();")
    assert migrate(fresh_url)[-1] == "0007_more"
    (baseline / "0007_more.sql").unlink()
    with pytest.raises(WarehouseError, match="newer version: it has 0007_more"):
        migrate(fresh_url)


def test_a_failed_migration_leaves_the_database_as_it_was(fresh_url: str, baseline: Path) -> None:
    (baseline / "0007_wrong.sql").write_text("CREATE TABLE meta.half (); SELECT 1 / 0;")
    with pytest.raises(WarehouseError, match="^0007_wrong.sql: .* division by zero; the database"):
        migrate(fresh_url, patience=0)
    (baseline / "0007_wrong.sql").write_text("SELCT 1;")
    with pytest.raises(WarehouseError, match='at or near "SELCT"; the database is as it was$'):
        migrate(fresh_url, patience=0)
    (baseline / "0007_wrong.sql").unlink()
    assert len(migrate(fresh_url)) == 6


def test_a_database_of_yoyo_is_refused_in_words_and_its_events_move(
    session_database: Database, fresh_url: str
) -> None:
    """As docs/operations.md says: dump raw, set up anew, load, run all dates."""
    assert session_database
    days = [date(2020, 12, 5), date(2020, 12, 6)]
    migrate(fresh_url)
    store(fresh_url, [UserEvent(received_at=f"{day} 10:00:00.000000") for day in days])
    with connect(fresh_url, "tests") as connection, connection.cursor() as cursor:
        list(run_etl(connection, ETLS["users_dim"], days))
        before = rows_of(cursor, "SELECT * FROM crm.users_dim ORDER BY id, valid_from")
        cursor.execute("CREATE TABLE meta._yoyo_migration (migration_id text)")
        connection.commit()
    refused = run("warehouse.migrate", DATABASE_URL=fresh_url)
    assert refused.returncode == 1 and "Moving from an older checkout" in refused.stderr
    dumped = subprocess.run(
        ["pg_dump", "--data-only", "--load-via-partition-root", "-n", "raw", "-n", "raw_days"]
        + [fresh_url],
        check=True,
        capture_output=True,
    )
    session_database.rows("CREATE DATABASE moved")
    try:
        moved = urlunsplit(urlsplit(fresh_url)._replace(path="/moved"))
        migrate(moved)
        subprocess.run(
            ["psql", "-q", "-1", "-v", "ON_ERROR_STOP=1", moved], input=dumped.stdout, check=True
        )
        with connect(moved, "tests") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE raw.user_events SET txid = txid_current() + 1000")  # as theirs
            cursor.execute((SQL / "ops" / "after_move.sql").read_text("utf-8"))
            connection.commit()
        result = run("etls", "run", *ETLS, "--stale", DATABASE_URL=moved)
        assert result.returncode == 0, result.stderr
        for _ in range(50):  # the server gives more numbers
            session_database.rows("SELECT pg_current_xact_id()")
        assert run("etls", "run", "users_dim", "--stale", DATABASE_URL=moved).stdout == (
            "users_dim: no date is stale\n"
        )
        with connect(moved, "tests") as connection, connection.cursor() as cursor:
            assert rows_of(cursor, "SELECT * FROM crm.users_dim ORDER BY id, valid_from") == before
    finally:
        session_database.rows("DROP DATABASE moved WITH (FORCE)")


def test_a_migration_that_adds_a_column_keeps_data_under_load(
    fresh_url: str, baseline: Path
) -> None:
    migrate(fresh_url)
    days = [date(2020, 12, 5), date(2020, 12, 6)]
    is_done = threading.Event()
    failures: list[Exception] = []
    stored = [0]

    def ingest() -> None:
        try:
            while not is_done.is_set():
                stored[0] += 1
                store(
                    fresh_url,
                    [
                        UserEvent(id=f"user {stored[0]}", received_at=f"{day} 10:00:00.000000")
                        for day in days
                    ],
                    imported_at=stored[0],
                )
        except WarehouseError as error:
            failures.append(error)

    def process() -> None:
        try:
            with connect(fresh_url, "tests-etl", ETL) as connection:
                while not is_done.is_set():
                    list(run_etl(connection, ETLS["users_dim"], days))
        except WarehouseError as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for work in (ingest, process)]
    for worker in workers:
        worker.start()
    (baseline / "0007_more.sql").write_text(
        "ALTER TABLE raw.user_events ADD COLUMN note text;"
        "ALTER TABLE crm.user_history ADD COLUMN note text;"
    )
    n_before = stored[0]
    assert migrate(fresh_url) == ["0007_more"]
    while stored[0] < n_before + 20:
        is_done.wait(0.01)
    is_done.set()
    for worker in workers:
        worker.join()
    assert not failures
    with connect(fresh_url, "tests") as connection, connection.cursor() as cursor:
        list(run_etl(connection, ETLS["users_dim"], days))
        assert rows_of(cursor, "SELECT count(*) FROM raw.user_events") == [(2 * stored[0],)]
        assert rows_of(cursor, "SELECT count(*) FROM crm.users_dim") == [(stored[0],)]
        assert rows_of(cursor, "SELECT count(*) FROM crm.user_repeats") == [(stored[0],)]


def store(url: str, events: list[UserEvent], imported_at: int = 1) -> None:
    """As a consumer does."""
    body = f"{','.join(USER_EVENTS.header)}\n" + "".join(event.line for event in events)
    tables = RawTables(url)
    headers: dict[str, object] = {"imported-at": imported_at}
    tables.write([unpack(delivery(body, CSV, headers=headers), FEEDS)])
    tables.close()


def rows_of(cursor: Cursor, question: str) -> list[tuple[object, ...]]:
    cursor.execute(question)
    return list(cursor.fetchall())


def test_every_table_column_and_function_is_described(session_database: Database) -> None:
    undescribed = session_database.rows("""
        SELECT format('%s.%s', relname, attname)
        FROM pg_class
        LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace::regnamespace::text IN ('raw', 'crm', 'reports', 'meta')
            AND relkind IN ('r', 'p', 'v')
            AND (NOT relispartition OR relkind = 'p')
            AND (
                obj_description(pg_class.oid, 'pg_class') IS NULL
                OR col_description(pg_class.oid, attnum) IS NULL
            )
        UNION ALL
        SELECT proname
        FROM pg_proc
        WHERE pronamespace::regnamespace::text IN ('raw', 'crm', 'reports', 'meta')
            AND obj_description(oid, 'pg_proc') IS NULL
        """)
    assert not undescribed


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: str(feed.name))
def test_a_table_has_the_columns_its_feed_declares(session_database: Database, feed: Feed) -> None:
    schema, table = feed.table.split(".")
    found = session_database.rows(
        "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s",
        schema,
        table,
    )
    declared = {
        (name, COLUMN_TYPES[column_type(field.annotation) or str], not field.is_required())
        for name, field in feed.model.model_fields.items()
    }
    ours = BOOKKEEPING | PARTITIONED
    assert {column for column in found if column[0] not in ours} == declared
    names = {name for name, _, _ in found}
    assert BOOKKEEPING <= names or not feed.queued
    assert PARTITIONED <= names or not feed.time_column


def test_without_a_schema_the_etls_say_what_to_do(fresh_url: str) -> None:
    result = run("etls", "run", "users_dim", "--date", "2020-12-05", DATABASE_URL=fresh_url)
    assert result.returncode == 1
    assert "run make setup" in result.stderr


def test_several_take_turns_whatever_the_isolation(
    session_database: Database, fresh_url: str
) -> None:
    name = urlsplit(fresh_url).path.removeprefix("/")
    session_database.rows(
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    )
    with ThreadPoolExecutor(3) as pool:
        rivals = [pool.submit(run, "warehouse.migrate", DATABASE_URL=fresh_url) for _ in range(3)]
    assert [rival.result().returncode for rival in rivals] == [0] * 3


def test_migrating_needs_the_database_alone(fresh_url: str) -> None:
    result = run("warehouse.migrate", DATABASE_URL=fresh_url, RABBITMQ_URL="")
    assert result.returncode == 0, result.stderr
    assert "migrations applied" in result.stdout
