"""Running an ETL for a date: one transaction under a lock, and a line in the ledger."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from etls.catalogue import Etl
from warehouse.errors import WarehouseError
from warehouse.postgres import Connection, translated_errors
from warehouse.queries import query


@dataclass(frozen=True)
class Run:
    """A finished run."""

    etl: Etl
    import_date: date
    rows_read: int  # events of the date
    rows_written: int  # rows inserted into the target
    seconds: float


def run_etl(connection: Connection, etl: Etl, import_date: date) -> Run:
    """Run an ETL for a date; it replaces what it wrote for that date before.

    Two runs of one ETL take turns. One that fails or is killed changes nothing but the ledger.

    Raises:
        WarehouseError: the run failed; the ledger says why.
    """
    started = time.monotonic()
    with _turn(connection, etl):
        run_id = _record_start(connection, etl, import_date)
        try:
            rows_read, rows_written = _execute(connection, etl, import_date, run_id)
        except WarehouseError as error:
            _record_failure(connection, run_id, str(error))
            raise
    return Run(etl, import_date, rows_read, rows_written, time.monotonic() - started)


@contextmanager
def _turn(connection: Connection, etl: Etl) -> Iterator[None]:
    """Hold the ETL's lock. PostgreSQL releases it when the connection ends, however it ends."""
    with translated_errors():
        _execute_alone(connection, "meta/lock_etl", {"etl": etl.name})
        try:
            yield
        finally:
            if not connection.closed:
                _execute_alone(connection, "meta/unlock_etl", {"etl": etl.name})


def _record_start(connection: Connection, etl: Etl, import_date: date) -> int:
    # Whoever holds the lock knows that a run still marked as running has died.
    _execute_alone(connection, "meta/fail_dead_runs", {"etl": etl.name})
    return _execute_alone(
        connection, "meta/start_run", {"etl": etl.name, "import_date": import_date}
    )


def _record_failure(connection: Connection, run_id: int, error: str) -> None:
    if not connection.closed:
        with translated_errors():
            _execute_alone(connection, "meta/fail_run", {"run_id": run_id, "error": error})


def _execute(connection: Connection, etl: Etl, import_date: date, run_id: int) -> tuple[int, int]:
    """The ETL itself; that it succeeded is committed together with what it wrote."""
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(query(etl.sql), {"import_date": import_date})
        row = cursor.fetchone()
        assert row is not None
        rows_read, rows_written = row
        cursor.execute(
            query("meta/finish_run"),
            {"run_id": run_id, "rows_read": rows_read, "rows_written": rows_written},
        )
    return rows_read, rows_written


def _execute_alone(connection: Connection, name: str, parameters: dict[str, object]) -> int:
    """Run a query in a transaction of its own; the number it returns, or how many rows it hit."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query(name), parameters)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row and isinstance(row[0], int) else cursor.rowcount
