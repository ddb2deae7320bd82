"""Retention: dropping the raw days that every ETL has processed."""

from datetime import date
from typing import NamedTuple

from etls.catalogue import ETLS
from etls.run_log import date_statuses
from warehouse.errors import UsageError
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import query


class Droppable(NamedTuple):
    """What of a raw table lies before a date."""

    feed: str
    n_days: int
    n_rows: int
    n_bytes: int  # on disk, indexes included

    def __str__(self) -> str:
        size = f"{self.n_bytes / 1e6:,.1f} MB"
        return f"{self.feed}: {self.n_days:,} days, {self.n_rows:,} rows, {size}"


def droppable(connection: Connection, before: date) -> list[Droppable]:
    """The raw tables that have days before a date, and what lies there.

    Raises:
        UsageError: an ETL has yet to process one of them.
    """
    with translated_errors(), connection, connection.cursor() as cursor:
        _refuse_unprocessed(cursor, before)
        found = []
        for feed in _feeds():
            cursor.execute(query("meta/prune_preview"), {"feed": feed, "before": before})
            ((n_days, n_rows, n_bytes),) = cursor.fetchall()
            if n_days:
                found.append(Droppable(feed, n_days, n_rows, n_bytes))
        return found


def prune(connection: Connection, before: date) -> dict[str, int]:
    """Drop the days before a date from every raw table that ETLs read; the rows that were there.

    What the ETLs made of them stays, and they refuse these dates from now on. A table without
    such days is left alone: what comes for them later is still wanted. All of it is one
    transaction; the database refuses, too, to drop a day that an ETL has not processed.

    Raises:
        UsageError: an ETL has yet to process one of them.
    """
    with translated_errors(), connection, connection.cursor() as cursor:
        _refuse_unprocessed(cursor, before)
        dropped = {}
        for feed in _feeds():
            cursor.execute(query("meta/prune"), {"feed": feed, "before": before})
            ((dropped[feed],),) = cursor.fetchall()
        return {feed: n_rows for feed, n_rows in dropped.items() if n_rows}


def _feeds() -> list[str]:
    return sorted({feed for etl in ETLS.values() for feed in etl.inputs})


def _refuse_unprocessed(cursor: Cursor, before: date) -> None:
    waiting = [
        (etl.name, status.import_date)
        for etl in ETLS.values()
        for status in date_statuses(cursor, etl)
        if status.import_date < before and status.is_stale
    ]
    if waiting:
        raise UsageError(
            f"{len(waiting)} dates are not processed, the first is {waiting[0][0]}"
            f" {waiting[0][1]}: type make {' '.join(dict(waiting))} ALL_STALE=1"
        )
