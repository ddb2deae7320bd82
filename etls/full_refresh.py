"""Tables that are made of all raw events each time, not day by day."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from etls.catalogue import Etl
from etls.run_log import Outcome, pruned_before, record_success
from etls.runner import recorded, run_lock
from warehouse.errors import UsageError
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import query


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did."""

    through: date  # the last day that was looked at
    outcome: Outcome
    seconds: float


def full_refresh(
    connection: Connection,
    etl: Etl,
    last_day: Callable[[Cursor], date],
    fill: Callable[[Cursor, date], Outcome],
) -> Refreshed:
    """Replace the rows of an ETL's target in one transaction; the run log has its last day.

    Raises:
        UsageError: some of the events have been pruned: the table would forget them.
        WarehouseError: it failed; the table is as it was, the run log says why.
    """
    started = time.monotonic()
    with run_lock(connection, etl):
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
            cursor.execute(query("meta/begin_run"))
            outcome = fill(cursor, last)
            record_success(cursor, run_id, outcome)
    return Refreshed(last, outcome, time.monotonic() - started)
