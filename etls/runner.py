"""Running an ETL for dates: one transaction under a lock, and an entry in the run log."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import NamedTuple

from etls.catalogue import Etl
from etls.run_log import (
    FULL,
    NEW,
    NOTHING_NEW,
    Outcome,
    PendingWork,
    WorkEstimate,
    date_statuses,
    pending_work,
    pruned_before,
    record_failures,
    record_starts,
    record_success,
    work_estimates,
)
from warehouse.errors import UsageError, WarehouseError
from warehouse.postgres import Connection, Cursor, InvalidRow, savepoint, translated_errors
from warehouse.queries import query

# What one transaction works on, unless a single date has more.
_MOST_DATES = 31
_MOST_BYTES = 1_000_000_000  # of raw tables


class Run(NamedTuple):
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
        note = f"; {outcome.note}" if outcome.note else ""
        return f"{self.etl.name} {self.import_date}: {said} ({self.seconds:.2f} s){note}"


class Job(NamedTuple):
    """What there is to do for an ETL on consecutive dates."""

    etl: Etl
    pending: Sequence[PendingWork]
    full: bool = False  # whole dates, whatever has been done

    @property
    def since(self) -> str | None:
        """The snapshot that does not show the new events; None: whole dates have to be done."""
        return None if self.full or len(self.pending) > 1 else self.pending[0].since

    @property
    def has_nothing_new(self) -> bool:
        """Whether the last run has seen everything."""
        return self.since is not None and self.pending[0].n_new == 0

    def parameters(self) -> dict[str, object]:
        """What the SQL of the ETL is told."""
        first, last = self.pending[0].import_date, self.pending[-1].import_date
        has_run = self.full or any(pending.has_run for pending in self.pending)
        return {
            "first_date": first,
            "last_date": last,
            "start": f"{first} 00:00+00",
            "end": f"{last} 24:00+00",  # Python has no day after the last one
            "since": self.since or "",
            "is_rerun": self.since is None and has_run,
        }


class CheckFailed(WarehouseError):
    """The result broke data checks, so it was not kept."""

    def __init__(self, target: str, broken: Mapping[str, int]) -> None:
        self.broken = broken  # how many rows broke each
        self.said = "; ".join(f"{name}: {count:,} times not" for name, count in broken.items())
        super().__init__(
            f"{target} was not kept, it breaks a check: {self.said}; make verify examines the table"
        )


def run_etl(
    connection: Connection, etl: Etl, dates: Sequence[date], *, full: bool = False
) -> Iterator[Run]:
    """Bring an ETL's result up to date for dates.

    Consecutive dates that have to be done whole share a transaction. Of others only the events are
    done that are new since the last run. ``full``: all dates are done whole. Two runs of one ETL
    wait for each other. A run that fails or is killed changes nothing but the run log.

    Raises:
        UsageError: the events of a date have been pruned.
        WarehouseError: a run failed; the run log says why.
    """
    with run_lock(connection, etl):
        for group in groups(estimated(connection, etl, dates), full=full):
            yield from _run(connection, etl, group, full)


def stale_dates(connection: Connection, etl: Etl) -> list[date]:
    """The dates that have events which the ETL's last run has not seen."""
    with translated_errors(), connection, connection.cursor() as cursor:
        return [status.import_date for status in date_statuses(cursor, etl) if status.is_stale]


@contextmanager
def run_lock(connection: Connection, etl: Etl) -> Iterator[None]:
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


def estimated(connection: Connection, etl: Etl, dates: Sequence[date]) -> list[WorkEstimate]:
    """How much work these dates are.

    Raises:
        UsageError: the events of one of them have been pruned.
    """
    with translated_errors(), connection, connection.cursor() as cursor:
        first = pruned_before(cursor, etl)
        if first is not None and min(dates) < first:
            raise UsageError(
                f"the events before {first} have been pruned: what {etl.target} says of"
                f" {min(dates)} stays as it is"
            )
        return work_estimates(cursor, etl, dates)


def groups(estimates: Iterable[WorkEstimate], *, full: bool) -> Iterator[list[date]]:
    """The dates in the groups that one transaction works on each."""
    group: list[date] = []
    n_bytes = 0
    for estimate in estimates:
        is_whole = full or not estimate.is_known
        follows = group and estimate.import_date - group[-1] == timedelta(days=1)
        fits = len(group) < _MOST_DATES and n_bytes + estimate.n_bytes <= _MOST_BYTES
        if group and not (is_whole and follows and fits):
            yield group
            group, n_bytes = [], 0
        if is_whole:
            group.append(estimate.import_date)
            n_bytes += estimate.n_bytes
        else:
            yield [estimate.import_date]
    if group:
        yield group


def _run(connection: Connection, etl: Etl, group: list[date], full: bool) -> Iterator[Run]:
    started = time.monotonic()
    with (
        recorded(connection, etl, group) as run_ids,
        translated_errors(),
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query("meta/begin_run"))
        outcomes = execute(cursor, Job(etl, pending_work(cursor, etl, group), full))
        for run_id, outcome in zip(run_ids, outcomes):
            record_success(cursor, run_id, outcome)
    seconds = time.monotonic() - started
    for import_date, outcome in zip(group, outcomes):
        yield Run(etl, import_date, outcome, seconds)


@contextmanager
def recorded(connection: Connection, etl: Etl, dates: Sequence[date]) -> Iterator[list[int]]:
    """Enter a run for each date, and why it failed if it does. The caller holds the run lock."""
    run_ids = record_starts(connection, etl, dates)
    try:
        yield run_ids
    except WarehouseError as error:
        if not connection.closed:
            record_failures(connection, run_ids, str(error))
        raise


def execute(cursor: Cursor, job: Job) -> list[Outcome]:
    """Do a job. If the result of new events breaks a check, somebody has changed the tables: then
    the whole date is done, and the outcome says so.

    Raises:
        CheckFailed: the result of whole dates breaks a check.
    """
    if job.has_nothing_new:
        return [Outcome(NOTHING_NEW, job.pending[0].n_events, 0, 0, {})]
    if job.since is None:
        return _execute(cursor, job)
    try:
        with savepoint(cursor), translated_errors():
            return _execute(cursor, job)
    except (InvalidRow, CheckFailed) as error:
        said = error.said if isinstance(error, CheckFailed) else str(error)
        why = f"the new events alone do not fit what is there ({said})"
        date_of_it = job.pending[0].import_date
        print(f"warning: {job.etl.name} {date_of_it}: {why}; doing the whole date", file=sys.stderr)
        whole = _execute(cursor, job._replace(full=True))
        return [outcome._replace(note=f"whole date, since {why}") for outcome in whole]


def _execute(cursor: Cursor, job: Job) -> list[Outcome]:
    cursor.execute(query(job.etl.sql), job.parameters())
    written: dict[date, int] = dict(cursor.fetchall())
    checks = passed_checks(cursor, job.etl, job.parameters())
    is_whole = job.since is None
    return [
        Outcome(
            FULL if is_whole else NEW,
            pending.n_events,
            pending.n_events if is_whole else pending.n_new,
            written.get(pending.import_date, 0),
            checks,
        )
        for pending in job.pending
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
    """The one value of a query, in a transaction of its own."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query(name), parameters)
        ((value,),) = cursor.fetchall()
        return value
