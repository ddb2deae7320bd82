"""Running an ETL for dates: transactions under a lock, and a line in the ledger for each date."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from etls.catalogue import Etl
from etls.ledger import (
    FULL,
    NEW,
    NOTHING_NEW,
    Change,
    Outcome,
    Outlook,
    changes,
    outlooks,
    pruned_before,
    record_failures,
    record_starts,
    record_success,
    standings,
)
from warehouse.errors import UsageError, WarehouseError
from warehouse.postgres import Connection, Cursor, InvalidRow, savepoint, translated_errors
from warehouse.queries import query

# What one transaction works on, unless a single date has more.
_MOST_DATES = 31
_MOST_BYTES = 1_000_000_000  # of raw tables


@dataclass(frozen=True)
class Run:
    """A finished run."""

    etl: Etl
    import_date: date
    outcome: Outcome
    seconds: float  # of the transaction, which dates may share

    def __str__(self) -> str:
        outcome = self.outcome
        if outcome.n_events == 0 and outcome.rows_written == 0:
            said = "no events on this date"
        elif outcome.mode == NOTHING_NEW:
            said = f"nothing new among {outcome.n_events:,} events"
        else:
            of_all = f" of {outcome.n_events:,}" if outcome.rows_read < outcome.n_events else ""
            said = f"{outcome.rows_read:,}{of_all} rows read, {outcome.rows_written:,} written"
        return f"{self.etl.name} {self.import_date}: {said} ({self.seconds:.2f} s)"


class CheckFailed(WarehouseError):
    """The result broke data checks, so it was not kept."""

    def __init__(self, target: str, broken: Mapping[str, int]) -> None:
        self.broken = broken  # how many rows broke each
        said = "; ".join(f"{name}: {count:,} times not" for name, count in broken.items())
        super().__init__(f"{target} was not kept, it breaks a check: {said}")


def run_etl(
    connection: Connection, etl: Etl, dates: Sequence[date], *, full: bool = False
) -> Iterator[Run]:
    """Bring an ETL's result up to date for dates.

    Dates in a row of which all has to be done are worked on together; of others only what is new
    since their last run. ``full``: all is done. Two runs of one ETL take turns. One that fails or
    is killed changes nothing but the ledger.

    Raises:
        UsageError: the events of a date have been pruned.
        WarehouseError: a run failed; the ledger says why.
    """
    with turn(connection, etl):
        for span in _spans(connection, etl, dates, full):
            yield from _run(connection, etl, span, full)


def stale_dates(connection: Connection, etl: Etl) -> list[date]:
    """The dates that have events which the ETL's last run has not seen."""
    with translated_errors(), connection, connection.cursor() as cursor:
        return [s.import_date for s in standings(cursor, etl) if s.is_stale]


@contextmanager
def turn(connection: Connection, etl: Etl) -> Iterator[None]:
    """Hold the ETL's lock. PostgreSQL releases it when the connection ends, however it ends."""
    key = {"etl": etl.name}
    with translated_errors():
        if not _result(connection, "meta/try_lock_etl", key):
            print(f"{etl.name}: another run is at work, waiting for its end", file=sys.stderr)
            _result(connection, "meta/lock_etl", key)
        try:
            yield
        finally:
            if not connection.closed:
                _result(connection, "meta/unlock_etl", key)


def _spans(
    connection: Connection, etl: Etl, dates: Sequence[date], full: bool
) -> Iterator[list[date]]:
    with connection, connection.cursor() as cursor:
        first = pruned_before(cursor, etl)
        if first is not None and min(dates) < first:
            raise UsageError(
                f"the events before {first} have been pruned: what {etl.target} says of"
                f" {min(dates)} stays as it is"
            )
        found = outlooks(cursor, etl, dates)
    yield from spans(found, full=full)


def spans(outlooks_of_dates: Iterable[Outlook], *, full: bool) -> Iterator[list[date]]:
    """The dates in the groups that one transaction works on each."""
    group: list[date] = []
    n_bytes = 0
    for outlook in outlooks_of_dates:
        is_full = full or not outlook.has_run
        follows = group and outlook.import_date - group[-1] == timedelta(days=1)
        fits = len(group) < _MOST_DATES and n_bytes + outlook.n_bytes <= _MOST_BYTES
        if group and not (is_full and follows and fits):
            yield group
            group, n_bytes = [], 0
        if is_full:
            group.append(outlook.import_date)
            n_bytes += outlook.n_bytes
        else:
            yield [outlook.import_date]
    if group:
        yield group


def _run(connection: Connection, etl: Etl, span: list[date], full: bool) -> Iterator[Run]:
    started = time.monotonic()
    with (
        recorded(connection, etl, span) as run_ids,
        translated_errors(),
        connection,
        connection.cursor() as cursor,
    ):
        outcomes = execute(cursor, etl, span, full)
        for run_id, outcome in zip(run_ids, outcomes):
            record_success(cursor, run_id, etl, outcome)
    seconds = time.monotonic() - started
    for import_date, outcome in zip(span, outcomes):
        yield Run(etl, import_date, outcome, seconds)


@contextmanager
def recorded(connection: Connection, etl: Etl, dates: Sequence[date]) -> Iterator[list[int]]:
    """Enter a run for each date, and why it failed if it does; the ETL's lock is held."""
    run_ids = record_starts(connection, etl, dates)
    try:
        yield run_ids
    except WarehouseError as error:
        if not connection.closed:
            record_failures(connection, run_ids, str(error))
        raise


def execute(cursor: Cursor, etl: Etl, span: Sequence[date], full: bool) -> list[Outcome]:
    """Do what there is to do on dates in a row, in a transaction that has not begun.

    If what is there does not pass the checks after only the new events have been worked on,
    somebody has changed it: then all is done.

    Raises:
        CheckFailed: the result of all that breaks a check.
    """
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    found = changes(cursor, etl, span)
    if not full and len(found) == 1 and found[0].since is not None:
        try:
            with savepoint(cursor), translated_errors():
                return _attempt(cursor, etl, found, found[0].since)
        except (InvalidRow, CheckFailed):
            pass
    return _attempt(cursor, etl, found, None)


def _attempt(cursor: Cursor, etl: Etl, found: Sequence[Change], since: str | None) -> list[Outcome]:
    parameters = {
        "first_date": found[0].import_date,
        "last_date": found[-1].import_date,
        "since": since or "",
    }
    written: dict[date, int] = {}
    mode = FULL if since is None else NEW if found[0].n_new else NOTHING_NEW
    if mode == NOTHING_NEW:
        parameters["since"] = ""  # then all of it is examined
    else:
        cursor.execute("SET LOCAL etl.is_checked = on")  # below, so triggers need not
        cursor.execute(query(etl.sql), parameters)
        written = dict(cursor.fetchall())
    checks = passed_checks(cursor, etl, parameters)
    return [
        Outcome(
            mode,
            change.n_events,
            change.n_events if mode == FULL else change.n_new,
            written.get(change.import_date, 0),
            checks,
        )
        for change in found
    ]


def passed_checks(cursor: Cursor, etl: Etl, parameters: Mapping[str, object]) -> dict[str, int]:
    """The checks of an ETL's result, none of which is broken.

    Raises:
        CheckFailed: one is.
    """
    cursor.execute(query(etl.checks), parameters)
    checks = {str(name): int(count) for name, count in cursor}
    if broken := {name: count for name, count in checks.items() if count}:
        raise CheckFailed(etl.target, broken)
    return checks


def _result(connection: Connection, name: str, parameters: Mapping[str, object]) -> object:
    """The one value of a query, which has a transaction of its own."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query(name), parameters)
        ((value,),) = cursor.fetchall()
        return value
