"""The same aggregate for a team that streams its rows: over the raw table, inside PostgreSQL."""

import time
from dataclasses import dataclass
from datetime import date

from etls.aggregates.catalogue import Aggregate
from etls.catalogue import Etl
from etls.ledger import FULL, Outcome, pruned_before, record_success
from etls.runner import recorded, turn
from warehouse.errors import UsageError
from warehouse.postgres import Connection, Cursor, empty_alone, translated_errors
from warehouse.queries import query


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did."""

    through: date  # the last day that was looked at
    n_events: int
    n_entities: int
    seconds: float


class _Whole(Etl):
    """An ETL that makes its whole target anew, by the query that all engines share."""

    @property
    def sql(self) -> str:
        return "aggregates/top_and_streak"


def refresh(connection: Connection, aggregate: Aggregate, through: date | None) -> Refreshed:
    """Make ``reports.<aggregate>`` anew of all raw events, or of those up to a day, included.

    Raises:
        UsageError: some of the events have been pruned: the table would forget them.
        WarehouseError: it failed; the table is as it was, the ledger says why.
    """
    started = time.monotonic()
    etl = _Whole(aggregate.name, "reports", (aggregate.feed.table,), "an entity")
    with turn(connection, etl):
        with connection, connection.cursor() as cursor:
            if (first := pruned_before(cursor, etl)) is not None:
                raise UsageError(
                    f"the events before {first} have been pruned: {etl.target} stays as it is"
                )
            last = through or _last_day(cursor, aggregate)
        with (
            recorded(connection, etl, [last]) as (run_id,),
            translated_errors(),
            connection,
            connection.cursor() as cursor,
        ):
            n_events, n_entities = _replace(cursor, aggregate, last)
            record_success(cursor, run_id, etl, Outcome(FULL, n_events, n_events, n_entities, {}))
    return Refreshed(last, n_events, n_entities, time.monotonic() - started)


def _last_day(cursor: Cursor, aggregate: Aggregate) -> date:
    cursor.execute(
        f"SELECT coalesce(max({aggregate.day}), current_date) FROM {aggregate.feed.table}"
    )
    ((found,),) = cursor.fetchall()
    assert isinstance(found, date)
    return found


def _replace(cursor: Cursor, aggregate: Aggregate, last: date) -> tuple[int, int]:
    """Put new rows in the place of the old; how many events and entities there are."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute(
        "CREATE TEMPORARY TABLE facts ON COMMIT DROP AS"
        f' SELECT {aggregate.entity} AS entity, {aggregate.category} COLLATE "C" AS category,'
        f" {aggregate.amount} AS amount, {aggregate.day} AS day"
        f" FROM {aggregate.feed.table} WHERE {aggregate.day} <= %s",
        (last,),
    )
    n_events = cursor.rowcount
    cursor.execute("ANALYZE facts")
    empty_alone(cursor, ("reports", aggregate.name))
    cursor.execute(
        f"INSERT INTO reports.{aggregate.name} ({', '.join(aggregate.columns)})"
        f" SELECT * FROM ({query('aggregates/top_and_streak')}) AS result"
    )
    return n_events, cursor.rowcount
