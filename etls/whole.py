"""Tables that are made anew of all raw events, not day by day."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from etls.catalogue import Etl
from etls.ledger import Outcome, pruned_before, record_success
from etls.runner import recorded, turn
from warehouse.errors import UsageError
from warehouse.postgres import Connection, Cursor, translated_errors


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did."""

    through: date  # the last day that was looked at
    outcome: Outcome
    seconds: float


def refresh_whole(
    connection: Connection,
    etl: Etl,
    last_day: Callable[[Cursor], date],
    fill: Callable[[Cursor, date], Outcome],
) -> Refreshed:
    """Make an ETL's target anew, in one transaction; it stands in the ledger under its last day.

    Raises:
        UsageError: some of the events have been pruned: the table would forget them.
        WarehouseError: it failed; the table is as it was, the ledger says why.
    """
    started = time.monotonic()
    with turn(connection, etl):
        with connection, connection.cursor() as cursor:
            if (first := pruned_before(cursor, etl)) is not None:
                raise UsageError(
                    f"the events before {first} have been pruned: {etl.target} stays as it is"
                )
            last = last_day(cursor)
        with (
            recorded(connection, etl, [last]) as (run_id,),
            translated_errors(),
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            outcome = fill(cursor, last)
            record_success(cursor, run_id, etl, outcome)
    return Refreshed(last, outcome, time.monotonic() - started)
