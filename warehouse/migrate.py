"""``python -m warehouse.migrate``: bring the database to the newest schema."""

import hashlib
from pathlib import Path

from warehouse.entry import run_command
from warehouse.environment import database_url
from warehouse.errors import DatabaseUnavailable, WarehouseError
from warehouse.postgres import SETUP_ADVICE, Cursor, connect, translated_errors, wait_for
from warehouse.queries import SQL
from warehouse.sql_text import words

_LOCK = 7_236_110_264  # any number, the same for all who migrate
_LIST = """
    CREATE SCHEMA IF NOT EXISTS meta;
    CREATE TABLE IF NOT EXISTS meta.migrations (
        id text PRIMARY KEY,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    COMMENT ON TABLE meta.migrations IS 'The files of sql/migrations that have been applied';
    COMMENT ON COLUMN meta.migrations.id IS 'The name of the file';
    COMMENT ON COLUMN meta.migrations.checksum IS 'Of its text, comments and blanks aside';
    COMMENT ON COLUMN meta.migrations.applied_at IS 'When it was applied';
"""
_OLDER = (
    "this database was made by another checkout ({}): docs/operations.md, 'Moving from an older"
    " checkout', says how to move its data"
)


def main() -> None:
    """Run the command line."""
    run_command(lambda: print(describe(migrate(database_url()))))


def migrate(url: object, patience: float = 60) -> list[str]:
    """Apply the migrations that are missing, and name them; several callers at once take turns.

    All of them are one transaction: a killed migration leaves nothing behind. It waits three
    seconds for a lock, then lets the others through and tries again, for ``patience`` seconds.

    Raises:
        WarehouseError: a migration failed, or the database is of another checkout; it is as it was.
    """
    return wait_for(lambda: _migrate(url), patience)


def _migrate(url: object) -> list[str]:
    with connect(url, "event-migrate") as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 0"
            )
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor.execute("SET LOCAL lock_timeout = '3s'")
            cursor.execute("SET LOCAL client_min_messages = warning")
            missing = _missing(cursor)
            if missing:
                cursor.execute(_LIST)
            for path in missing:
                _apply(cursor, path)
                cursor.execute(
                    "INSERT INTO meta.migrations (id, checksum) VALUES (%s, %s)",
                    (path.stem, checksum(path)),
                )
            return [path.stem for path in missing]


def _apply(cursor: Cursor, path: Path) -> None:
    try:
        with translated_errors():
            cursor.execute(path.read_text("utf-8"))
    except DatabaseUnavailable:
        raise  # it passes by itself
    except WarehouseError as error:
        said = str(error).removesuffix(SETUP_ADVICE)
        raise WarehouseError(f"{path.name}: {said}; the database is as it was") from error


def pending(url: object) -> list[str]:
    """The migrations that are missing.

    Raises:
        WarehouseError: the database cannot be asked, or is of another checkout.
    """
    with connect(url, "event-migrate") as connection, connection.cursor() as cursor:
        return [path.stem for path in _missing(cursor)]


def _missing(cursor: Cursor) -> list[Path]:
    applied = _applied(cursor)
    paths = sorted((SQL / "migrations").glob("*.sql"))
    for path in paths:
        if applied.get(path.stem, checksum(path)) != checksum(path):
            raise WarehouseError(_OLDER.format(f"{path.stem} is another now"))
    if newer := applied.keys() - {path.stem for path in paths}:
        raise WarehouseError(f"this database is of a newer version: it has {max(newer)}")
    return [path for path in paths if path.stem not in applied]


def _applied(cursor: Cursor) -> dict[str, str]:
    """The checksum of each applied migration."""
    cursor.execute("SELECT to_regclass('meta._yoyo_migration'), to_regclass('meta.migrations')")
    ((yoyo, ours),) = cursor.fetchall()
    if yoyo is not None:
        raise WarehouseError(_OLDER.format("its migrations are those of yoyo"))
    if ours is None:
        return {}
    cursor.execute("SELECT id, checksum FROM meta.migrations")
    return dict(cursor.fetchall())


def checksum(path: Path) -> str:
    """Of a migration's text, comments and blanks aside."""
    return hashlib.sha256(" ".join(words(path.read_text("utf-8"))).encode()).hexdigest()[:16]


def describe(applied: list[str]) -> str:
    """What was applied, for a person."""
    if not applied:
        return "database: up to date"
    return f"database: {len(applied)} migrations applied, up to {applied[-1]}"


if __name__ == "__main__":
    main()
