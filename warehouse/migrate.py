"""``python -m warehouse.migrate``: bring the database to the newest schema, by yoyo."""

from contextlib import closing

import yoyo
from yoyo.backends import DatabaseBackend

from warehouse.entry import run_command
from warehouse.environment import database_url
from warehouse.postgres import connect, translated_errors, wait_for
from warehouse.queries import SQL

_LOCK = 7_236_110_264  # any number, the same for all who migrate


def main() -> None:
    """Run the command line."""
    run_command(lambda: print(describe(migrate(database_url()))))


def migrate(url: object, patience: float = 60) -> list[str]:
    """Apply the migrations that are missing, and name them; several callers at once take turns.

    Our own advisory lock stands guard, because it goes with its connection: yoyo's lock is a row
    that a killed process would leave behind. And what is applied and that it is applied are one
    transaction, so that a kill leaves the database as it was.

    Raises:
        WarehouseError: a migration failed; the database is as it was.
    """
    return wait_for(lambda: _migrate(url), patience)


def _migrate(url: object) -> list[str]:
    with connect(url, "event-migrate") as guard, guard.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        cursor.execute("CREATE SCHEMA IF NOT EXISTS meta")
        guard.commit()
        backend: DatabaseBackend = yoyo.get_backend(_yoyo_url(url))
        with translated_errors(), closing(backend.connection):
            missing = backend.to_apply(yoyo.read_migrations(str(SQL / "migrations")))
            backend.ensure_internal_schema_updated()
            with backend.transaction():
                for migration in missing:
                    migration.process_steps(backend, "apply")
                    backend.mark_one(migration)
            return [migration.id for migration in missing]


def pending(url: object) -> list[str]:
    """The migrations that are missing.

    Raises:
        WarehouseError: the database cannot be asked.
    """
    with translated_errors():
        backend: DatabaseBackend = yoyo.get_backend(_yoyo_url(url))
        with closing(backend.connection):
            return [m.id for m in backend.to_apply(yoyo.read_migrations(str(SQL / "migrations")))]


def _yoyo_url(url: object) -> str:
    _, rest = str(url).split("://", 1)
    return f"postgresql://{rest}{'&' if '?' in rest else '?'}schema=meta"


def describe(applied: list[str]) -> str:
    """What was applied, for a person."""
    if not applied:
        return "database: up to date"
    return f"database: {len(applied)} migrations applied, up to {applied[-1]}"


if __name__ == "__main__":
    main()
