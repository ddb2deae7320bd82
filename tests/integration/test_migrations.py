"""The database's schema: how it gets there, and that it is what the feeds declare."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from yoyo import read_migrations

from feeds import FEEDS
from feeds.core.declaration import Feed
from feeds.core.types import COLUMN_TYPES, column_type
from tests.integration.conftest import Database, run
from warehouse.migrate import migrate
from warehouse.postgres import Cursor, connect
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
    count = len(list(read_migrations(str(SQL / "migrations"))))
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


def test_an_upgrade_keeps_the_users_and_what_guards_them(
    fresh_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "migrations").mkdir()
    for path in (SQL / "migrations").glob("*.sql"):
        if path.name < "0019_":
            shutil.copy(path, tmp_path / "migrations")
    with monkeypatch.context() as before:
        before.setattr("warehouse.migrate.SQL", tmp_path)
        assert migrate(fresh_url)[-1] == "0018_quicker_days"
    with connect(fresh_url, "tests") as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm.users_dim VALUES (gen_random_uuid(), 'zeus', 'Zeus', 'z@olymp.us',"
            " 'Admin', 'Olymp', 'Gold', '2020-12-05', '2020-12-06', false, false),"
            " (gen_random_uuid(), 'zeus', 'Zeus', NULL, NULL, 'Olymp', 'Gold', '2020-12-06', NULL,"
            " true, true), (gen_random_uuid(), 'hera', NULL, 'h@olymp.us', NULL, NULL, NULL,"
            " '2020-12-06', NULL, true, false)"
        )
        was = guarded(cursor)
        connection.commit()
        assert migrate(fresh_url)
        assert guarded(cursor) == was


def guarded(cursor: Cursor) -> list[object]:
    """All versions of users; who may do what with them; their constraints and triggers."""
    found: list[object] = []
    for question in (
        "SELECT * FROM crm.users_dim ORDER BY id, valid_from",
        "SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges"
        " WHERE table_schema = 'crm' ORDER BY 1, 2, 3",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'crm'::regnamespace ORDER BY 1, 2",
        "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2",
    ):
        cursor.execute(question)
        found.append(cursor.fetchall())
    return found


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


def test_migrating_needs_the_database_alone(fresh_url: str) -> None:
    result = run("warehouse.migrate", DATABASE_URL=fresh_url, RABBITMQ_URL="")
    assert result.returncode == 0, result.stderr
    assert "migrations applied" in result.stdout
