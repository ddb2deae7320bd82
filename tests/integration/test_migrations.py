"""The database's schema: how it gets there, and that it is what the feeds declare."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from yoyo import read_migrations

from feeds import FEEDS
from feeds.core.types import CalendarDate, HexId, Instant, Integer, JsonObject, Text
from tests.integration.conftest import Database, run
from warehouse.queries import SQL

BOOKKEEPING = {"event_id", "imported_at", "line", "ingested_at"}


@pytest.fixture(name="fresh_url")
def _fresh_url(session_database: Database) -> Iterator[str]:
    """A database without a schema."""
    name = f"fresh_{os.getpid()}"
    session_database.rows(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
    session_database.rows(f"DROP DATABASE {name} WITH (FORCE)")


def test_several_that_start_at_once_take_turns(fresh_url: str) -> None:
    rivals = [
        subprocess.Popen(
            [sys.executable, "-m", "warehouse.migrate"],
            env={**os.environ, "DATABASE_URL": fresh_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = sorted(rival.communicate(timeout=60)[0] for rival in rivals)
    assert [rival.returncode for rival in rivals] == [0, 0, 0]
    count = len(list(read_migrations(str(SQL / "migrations"))))
    assert said[:2] == ["database: up to date\n"] * 2 or said[1:] == ["database: up to date\n"] * 2
    assert any(text.startswith(f"database: {count} migrations applied") for text in said)


def test_a_killed_migration_leaves_nothing_and_no_lock(fresh_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "warehouse.migrate"], env={**os.environ, "DATABASE_URL": fresh_url}
    ) as rival:
        rival.kill()
    assert run("warehouse.migrate", DATABASE_URL=fresh_url).returncode == 0


def test_migrating_again_changes_nothing(session_database: Database) -> None:
    assert session_database
    assert run("warehouse.migrate").stdout == "database: up to date\n"


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_a_table_has_the_columns_its_feed_declares(session_database: Database, feed) -> None:  # type: ignore[no-untyped-def]
    schema, table = feed.table.split(".")
    found = {
        name: (kind, nullable == "YES")
        for name, kind, nullable in session_database.rows(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s",
            schema,
            table,
        )
    }
    kinds = {
        Instant: "timestamp with time zone",
        CalendarDate: "date",
        Integer: "bigint",
        JsonObject: "jsonb",
        Text: "text",
        HexId: "text",
    }
    assert set(found) == set(feed.columns) | (BOOKKEEPING if feed.queued else set())
    for name, field in feed.model.model_fields.items():
        kind, nullable = found[name]
        assert nullable == (not field.is_required()), name
        python_type = str(field.annotation)
        expected = {"datetime": "timestamp with time zone", "date": "date", "int": "bigint"}
        wanted = next((v for k, v in expected.items() if f"{k}'" in python_type), None)
        assert kind == wanted or wanted is None and kind in set(kinds.values()), name


def test_without_a_schema_the_etls_say_what_to_do(fresh_url: str) -> None:
    result = run("etls", "run", "users_dim", "--date", "2020-12-05", DATABASE_URL=fresh_url)
    assert result.returncode == 1
    assert "run make setup" in result.stderr
