"""The run log of the ETLs: what ran, what it saw, and so what there is to do."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from etls.catalogue import Etl
from warehouse.postgres import Connection, Cursor
from warehouse.queries import query

FULL, NEW, NOTHING_NEW = "full", "new", "nothing new"


class WorkEstimate(NamedTuple):
    """How much work a date is, without counting events."""

    import_date: date
    n_bytes: int  # of its raw tables on that date
    is_known: bool  # this version has run there: perhaps only new events have to be done


class PendingWork(NamedTuple):
    """What there is to do for an ETL on a date."""

    import_date: date
    n_events: int
    n_new: int  # that its last good run has not seen
    since: str | None  # the snapshot of that run; None: the whole date has to be done
    has_run: bool


class Outcome(NamedTuple):
    """What a run did for a date."""

    mode: str
    n_events: int  # of the date
    rows_read: int  # how many of these were worked on
    rows_written: int  # rows of the result that begin on the date
    checks: Mapping[str, int]  # how many rows broke each
    note: str | None = None  # anything unusual


class DateStatus(NamedTuple):
    """The last good run of an ETL on a date, and what came since."""

    import_date: date
    finished_at: datetime | None  # None: it never ran
    n_new: int  # events since
    is_outdated: bool  # the ETL has another version now, or the database is another

    @property
    def is_stale(self) -> bool:
        """Whether a run would find something to do."""
        return self.n_new > 0 or self.is_outdated

    def __str__(self) -> str:
        if self.finished_at is None:
            return f"{self.import_date}  never run, {self.n_new:,} events"
        if self.is_outdated:
            return f"{self.import_date}  made by another version of the ETL, or on another server"
        last = f"{self.finished_at:%Y-%m-%d %H:%M}"
        return f"{self.import_date}  {self.n_new:,} new events since {last}"


def work_estimates(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[WorkEstimate]:
    """How much work these dates are, at next to no cost."""
    cursor.execute(query("meta/work_estimates"), _key(etl) | {"dates": list(dates)})
    return [WorkEstimate(*row) for row in cursor]


def pending_work(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[PendingWork]:
    """What there is to do on these dates, as the transaction sees it."""
    cursor.execute(query("meta/pending_work"), _key(etl) | {"dates": list(dates)})
    return [PendingWork(*row) for row in cursor]


def date_statuses(cursor: Cursor, etl: Etl) -> list[DateStatus]:
    """Every date that has, or had, events and is not pruned."""
    cursor.execute(query("meta/date_statuses"), _key(etl))
    return [DateStatus(*row) for row in cursor]


def processed_dates(cursor: Cursor, etl: Etl) -> list[date]:
    """Every date on which the ETL has ever succeeded."""
    cursor.execute(query("meta/processed_dates"), {"etl": etl.name})
    return [found for found, in cursor]


def pruned_before(cursor: Cursor, etl: Etl) -> date | None:
    """The first date of which an ETL's inputs may still have all events; None: nothing is gone."""
    cursor.execute(query("meta/pruned_before"), {"inputs": list(etl.inputs)})
    ((found,),) = cursor.fetchall()
    assert found is None or isinstance(found, date)
    return found


def _key(etl: Etl) -> dict[str, object]:
    return {"etl": etl.name, "inputs": list(etl.inputs), "version": etl.version}


def record_starts(connection: Connection, etl: Etl, dates: Sequence[date]) -> list[int]:
    """Enter runs. The caller holds the run lock, so a run still marked as running has died."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query("meta/fail_dead_runs"), {"etl": etl.name})
        run_ids = []
        for import_date in dates:
            started = {"etl": etl.name, "version": etl.version, "import_date": import_date}
            cursor.execute(query("meta/start_run"), started)
            ((run_id,),) = cursor.fetchall()
            run_ids.append(int(run_id))
    return run_ids


def record_failures(connection: Connection, run_ids: Sequence[int], error: str) -> None:
    """Say why runs failed; they have been rolled back."""
    with connection, connection.cursor() as cursor:
        for run_id in run_ids:
            cursor.execute(query("meta/fail_run"), {"run_id": run_id, "error": error})


def record_success(cursor: Cursor, run_id: int, outcome: Outcome) -> None:
    """Say that a run succeeded, in its own transaction."""
    cursor.execute(
        query("meta/finish_run"),
        outcome._asdict() | {"run_id": run_id, "checks": json.dumps(outcome.checks)},
    )
