"""Retention: dropping the raw days that every ETL has processed."""

from datetime import date

from etls.catalogue import ETLS
from etls.ledger import standings
from warehouse.errors import UsageError
from warehouse.postgres import Connection, translated_errors
from warehouse.queries import query


def prune(connection: Connection, before: date) -> dict[str, int]:
    """Drop the days before a date from every raw table that ETLs read; the rows that were there.

    What the ETLs made of them stays, and they refuse these dates from now on. A table without
    such days is left alone: what comes for them later is still wanted.

    Raises:
        UsageError: an ETL has yet to process one of them.
    """
    with translated_errors(), connection, connection.cursor() as cursor:
        waiting = [
            (etl.name, standing.import_date)
            for etl in ETLS.values()
            for standing in standings(cursor, etl)
            if standing.import_date < before and standing.is_stale
        ]
        if waiting:
            raise UsageError(
                f"{len(waiting)} dates are not processed, the first is {waiting[0][0]}"
                f" {waiting[0][1]}: type make {' '.join(dict(waiting))} ALL_STALE=1"
            )
        dropped = {}
        for feed in sorted({feed for etl in ETLS.values() for feed in etl.inputs}):
            cursor.execute(query("meta/prune"), {"feed": feed, "before": before})
            ((dropped[feed],),) = cursor.fetchall()
        return {feed: n_rows for feed, n_rows in dropped.items() if n_rows}
