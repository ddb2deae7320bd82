"""The ledger of ETL runs: what ran, what it saw, and so what there is to do."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from etls.catalogue import Etl
from warehouse.postgres import Connection, Cursor
from warehouse.queries import query

FULL, NEW, NOTHING_NEW = "full", "new", "nothing new"


class Outlook(NamedTuple):
    """What a run of an ETL on a date would be up against."""

    import_date: date
    n_bytes: int  # of its raw tables on that date
    has_run: bool  # only what is new since may have to be done


class Change(NamedTuple):
    """What there is to do for an ETL on a date."""

    import_date: date
    n_events: int
    n_new: int
    since: str | None  # the last good run's snapshot; None: all has to be done


class Outcome(NamedTuple):
    """What a run did for a date."""

    mode: str
    n_events: int  # of the date
    rows_read: int  # of these, how many were worked on
    rows_written: int  # rows inserted into the target
    checks: Mapping[str, int]  # how many rows broke each

    def joined_with(self, other: "Outcome") -> "Outcome":
        """The outcome of a run of which two sessions did a share each."""
        return Outcome(
            FULL if FULL in (self.mode, other.mode) else self.mode,
            self.n_events,
            max(self.rows_read, other.rows_read),  # each gives those of the date
            self.rows_written + other.rows_written,
            {name: broken + other.checks[name] for name, broken in self.checks.items()},
        )


class Standing(NamedTuple):
    """Where an ETL stands on a date."""

    import_date: date
    finished_at: datetime | None  # of its last good run
    n_new: int  # events since
    has_changed: bool  # the ETL is another now, or the database is

    @property
    def is_stale(self) -> bool:
        """Whether a run would find something to do."""
        return self.n_new > 0 or self.has_changed

    def __str__(self) -> str:
        if self.finished_at is None:
            return f"{self.import_date}  never run, {self.n_new:,} events"
        if self.has_changed:
            return f"{self.import_date}  the ETL has changed since its last run"
        last = f"{self.finished_at:%Y-%m-%d %H:%M}"
        return f"{self.import_date}  {self.n_new:,} new events since {last}"


def outlooks(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Outlook]:
    """What runs on these dates would be up against, at next to no cost."""
    cursor.execute(query("meta/outlook"), _key(etl) | {"dates": list(dates)})
    return [Outlook(*row) for row in cursor]


def changes(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Change]:
    """What there is to do on these dates, as the transaction sees it."""
    cursor.execute(query("meta/changes"), _key(etl) | {"dates": list(dates)})
    return [Change(*row) for row in cursor]


def standings(cursor: Cursor, etl: Etl) -> list[Standing]:
    """Where an ETL stands on every date that has, or had, events and is not pruned."""
    cursor.execute(query("meta/status"), _key(etl))
    return [Standing(*row) for row in cursor]


def pruned_before(cursor: Cursor, etl: Etl) -> date | None:
    """The first date of which an ETL's inputs may still have all events; None: nothing is gone."""
    cursor.execute(query("meta/pruned_before"), {"inputs": list(etl.inputs)})
    ((found,),) = cursor.fetchall()
    assert found is None or isinstance(found, date)
    return found


def _key(etl: Etl) -> dict[str, object]:
    return {"etl": etl.name, "inputs": list(etl.inputs), "definition": etl.definition}


def record_starts(connection: Connection, etl: Etl, dates: Sequence[date]) -> list[int]:
    """Enter runs; whoever holds the ETL's lock knows that one still marked as running has died."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query("meta/fail_dead_runs"), {"etl": etl.name})
        run_ids = []
        for import_date in dates:
            cursor.execute(query("meta/start_run"), {"etl": etl.name, "import_date": import_date})
            ((run_id,),) = cursor.fetchall()
            run_ids.append(int(run_id))
    return run_ids


def record_failures(connection: Connection, run_ids: Sequence[int], error: str) -> None:
    """Say why runs failed; they have been rolled back."""
    with connection, connection.cursor() as cursor:
        for run_id in run_ids:
            cursor.execute(query("meta/fail_run"), {"run_id": run_id, "error": error})


def record_success(cursor: Cursor, run_id: int, etl: Etl, outcome: Outcome) -> None:
    """Say that a run succeeded, in its own transaction."""
    cursor.execute(
        query("meta/finish_run"),
        {
            "run_id": run_id,
            "definition": etl.definition,
            "mode": outcome.mode,
            "n_events": outcome.n_events,
            "rows_read": outcome.rows_read,
            "rows_written": outcome.rows_written,
            "checks": json.dumps(outcome.checks),
        },
    )
