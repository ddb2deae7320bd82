"""A dry run: what a run of an ETL would do. It is done, and undone."""

import time
from collections.abc import Iterator, Sequence
from datetime import date

import sqlparse

from etls.catalogue import Etl
from etls.run_log import pending_work
from etls.runner import Job, estimated, execute, groups, run_lock
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import query

_MOST_LINES = 8  # of groups
_PLANNED = ("CREATE TEMPORARY TABLE", "INSERT", "UPDATE", "DELETE", "WITH", "SELECT")


def dry_run(
    connection: Connection, etl: Etl, dates: Sequence[date], *, full: bool, verbose: bool
) -> Iterator[str]:
    """What a run would do, in lines for a person; ``verbose``: its statements with their plans.

    Each group of dates is counted as if it ran alone. Runs of the ETL wait meanwhile.

    Raises:
        WarehouseError: the run would fail.
    """
    with run_lock(connection, etl):
        found = list(groups(estimated(connection, etl, dates), full=full))
        for group in found if verbose else found[:_MOST_LINES]:
            yield from _group(connection, etl, group, full, verbose)
    if len(found) > _MOST_LINES and not verbose:
        n_more = sum(map(len, found[_MOST_LINES:]))
        yield f"{etl.name}: and {n_more:,} more dates, from {found[_MOST_LINES][0]} to {max(dates)}"
    alone = "; each line is counted as if it ran alone" if len(found) > 1 else ""
    yield f"nothing was kept: this was a dry run{alone}"


def _group(
    connection: Connection, etl: Etl, group: list[date], full: bool, verbose: bool
) -> Iterator[str]:
    with translated_errors(), connection.cursor() as cursor:
        cursor.execute(query("meta/begin_run"))
        job = Job(etl, pending_work(cursor, etl, group), full)
        try:
            if verbose and not job.has_nothing_new:
                yield from _statements(cursor, job)
            yield _outcome(cursor, job)
        finally:
            connection.rollback()


def _outcome(cursor: Cursor, job: Job) -> str:
    first, last = job.pending[0].import_date, job.pending[-1].import_date
    dates = str(first) if first == last else f"{first} to {last} ({len(job.pending)} dates)"
    n_events = sum(pending.n_events for pending in job.pending)
    started = time.monotonic()
    outcomes = execute(cursor, job)
    seconds = time.monotonic() - started
    n_read = sum(outcome.rows_read for outcome in outcomes)
    n_written = sum(outcome.rows_written for outcome in outcomes)
    checks = f"{len(outcomes[0].checks)} checks would hold" if outcomes[0].checks else "no check"
    return (
        f"{job.etl.name} {dates}: {n_events:,} events, {_why(job)}: {n_read:,} would be read,"
        f" {n_written:,} rows written, {checks} ({seconds:.2f} s)"
    )


def _why(job: Job) -> str:
    if job.full:
        return "all to be done, as you ask"
    if job.since is not None:
        return f"{job.pending[0].n_new:,} of them new"
    if any(pending.has_run for pending in job.pending):
        return "all to be done: another version or server made them, or events have gone"
    return "all to be done for the first time"


def _statements(cursor: Cursor, job: Job) -> Iterator[str]:
    """Each statement, its plan and its rows. It is executed, for the next plan depends on it."""
    cursor.execute("SAVEPOINT statements")
    for statement in sqlparse.split(sqlparse.format(query(job.etl.sql), strip_comments=True)):
        is_planned = statement.startswith(_PLANNED)
        yield "\n" + cursor.mogrify(statement, job.parameters()).decode()
        if is_planned:
            cursor.execute(f"EXPLAIN {statement}", job.parameters())
            yield from [f"    {line}" for line, in cursor]
        cursor.execute(statement, job.parameters())
        if is_planned:
            yield f"    -> {cursor.rowcount:,} rows"
    cursor.execute("ROLLBACK TO SAVEPOINT statements")
