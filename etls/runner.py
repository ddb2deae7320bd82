"""Running an ETL for dates: transactions under a lock, and a line in the ledger for each date."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import NamedTuple

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
from warehouse.postgres import (
    ETL,
    Connection,
    Cursor,
    InvalidRow,
    LockTimeout,
    keep_vacuum_away,
    open_another,
    savepoint,
    translated_errors,
)
from warehouse.queries import query

# What one transaction works on, unless a single date has more.
_MOST_DATES = 31
_MOST_BYTES = 1_000_000_000  # of raw tables
# Fewer events are done sooner by one session than by two: a second one takes a connection, and does
# for its share what it would do for all. A late event costs more, for the versions before and after
# it are looked up: measured from 100 to 3,000 of them, two sessions are the sooner from 500 on.
LEAST_FOR_TWO = 20_000
_PER_LATE_EVENT = 40


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
        return f"{self.etl.name} {self.import_date}: {said} ({self.seconds:.2f} s)"


class Users(NamedTuple):
    """Whom a session works for: from one id on, and before another; an empty one is no limit."""

    from_id: str
    to_id: str


EVERYBODY = Users("", "")


class Job(NamedTuple):
    """What there is to do for an ETL on dates in a row."""

    etl: Etl
    changes: Sequence[Change]
    full: bool

    @property
    def since(self) -> str | None:
        """The snapshot outside which lies all that is to be worked on; None: all of it is."""
        return None if self.full or len(self.changes) > 1 else self.changes[0].since

    @property
    def n_events(self) -> int:
        """How many events the dates have."""
        return sum(change.n_events for change in self.changes)

    @property
    def effort(self) -> int:
        """What there is to work on, in events of a date of which all is to be done.

        Where nothing is, all is examined.
        """
        n_late = 0 if self.since is None else self.changes[0].n_new
        return n_late * _PER_LATE_EVENT or self.n_events

    def parameters(self, users: Users, since: str = "") -> dict[str, object]:
        """What the ETL's SQL is told."""
        first, last = self.changes[0].import_date, self.changes[-1].import_date
        return {
            "first_date": first,
            "last_date": last,
            "start": f"{first} 00:00+00",
            "end": f"{last} 24:00+00",  # the last day of all has no next one in Python
            "since": since,
            "n_events": self.n_events if users == EVERYBODY else self.n_events // 2,
            **users._asdict(),
        }


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
        _result(connection, "meta/await_followers", key)
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
    try:
        yield from _run_once(connection, etl, span, full, most_sessions=2)
    except LockTimeout:  # of two, if somebody's trigger puts one in the way of the other
        yield from _run_once(connection, etl, span, full, most_sessions=1)


def _run_once(
    connection: Connection, etl: Etl, span: list[date], full: bool, *, most_sessions: int
) -> Iterator[Run]:
    started = time.monotonic()
    with (
        recorded(connection, etl, span) as run_ids,
        translated_errors(),
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        job = Job(etl, changes(cursor, etl, span), full)
        keep_vacuum_away(cursor, (etl.schema, etl.name))
        middle = _middle(cursor, job) if most_sessions > 1 else None
        second = None if middle is None else _second_session(connection, etl)
        if middle is None or second is None:
            outcomes = execute(cursor, job, EVERYBODY)
            _record(cursor, run_ids, etl, outcomes)
        else:
            with closing(second):
                outcomes = _execute_in_two(connection, second, job, middle, run_ids)
    seconds = time.monotonic() - started
    for import_date, outcome in zip(span, outcomes):
        yield Run(etl, import_date, outcome, seconds)


def _middle(cursor: Cursor, job: Job) -> str | None:
    """The id below which one session works and from which on another; None: one does it all."""
    if not job.etl.in_halves or job.effort < LEAST_FOR_TWO:
        return None
    cursor.execute(query(job.etl.middle), job.parameters(EVERYBODY))
    ((middle,),) = cursor.fetchall()
    return None if middle is None else str(middle)


def _second_session(connection: Connection, etl: Etl) -> Connection | None:
    """One beside ours; None: a server or role may have no more, a password be good for one."""
    try:
        return open_another(connection, ETL)
    except WarehouseError as error:
        print(f"{etl.name}: one session does what two would sooner: {error}", file=sys.stderr)
        return None


def _execute_in_two(
    connection: Connection, second: Connection, job: Job, middle: str, run_ids: Sequence[int]
) -> list[Outcome]:
    from etls.pair import work_in_two  # pylint: disable=import-outside-toplevel  # seldom needed

    def finish(cursor: Cursor, lower: Sequence[Outcome], upper: Sequence[Outcome]) -> list[Outcome]:
        outcomes = [one.joined_with(other) for one, other in zip(lower, upper)]
        _record(cursor, run_ids, job.etl, outcomes)
        return outcomes

    return work_in_two(
        connection,
        second,
        job.etl.name,
        lambda cursor: execute(cursor, job, Users("", middle)),
        lambda cursor: execute(cursor, job, Users(middle, "")),
        finish,
    )


def _record(cursor: Cursor, run_ids: Sequence[int], etl: Etl, outcomes: Sequence[Outcome]) -> None:
    for run_id, outcome in zip(run_ids, outcomes):
        record_success(cursor, run_id, etl, outcome)


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


def execute(cursor: Cursor, job: Job, users: Users) -> list[Outcome]:
    """Do what there is to do on dates in a row, for some users.

    If what is there does not pass the checks after only the new events have been worked on,
    somebody has changed it: then all is done.

    Raises:
        CheckFailed: the result of all that breaks a check.
    """
    if (since := job.since) is not None:
        try:
            with savepoint(cursor), translated_errors():
                return _attempt(cursor, job, users, since)
        except (InvalidRow, CheckFailed):
            pass
    return _attempt(cursor, job, users, None)


def _attempt(cursor: Cursor, job: Job, users: Users, since: str | None) -> list[Outcome]:
    parameters = job.parameters(users, since or "")
    written: dict[date, int] = {}
    mode = FULL if since is None else NEW if job.changes[0].n_new else NOTHING_NEW
    if mode == NOTHING_NEW:
        parameters["since"] = ""  # then all of it is examined
    else:
        cursor.execute("SELECT meta.promise_checks()")  # below, so triggers need not
        cursor.execute(query(job.etl.sql), parameters)
        written = dict(cursor.fetchall())
    checks = passed_checks(cursor, job.etl, parameters)
    return [
        Outcome(
            mode,
            change.n_events,
            change.n_events if mode == FULL else change.n_new,
            written.get(change.import_date, 0),
            checks,
        )
        for change in job.changes
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
