"""The same aggregate for a team that streams its rows: over the raw table, inside PostgreSQL."""

from datetime import date

from etls.aggregates.catalogue import Aggregate
from etls.catalogue import Etl
from etls.full_refresh import Refreshed, full_refresh
from etls.run_log import FULL, Outcome
from warehouse.postgres import Connection, Cursor, empty_alone
from warehouse.queries import query


class _Streamed(Etl):
    """An ETL by the query that all engines share."""

    @property
    def sql(self) -> str:
        return "aggregates/top_and_streak"


def refresh(connection: Connection, aggregate: Aggregate, through: date | None) -> Refreshed:
    """Fill ``reports.<aggregate>`` from all raw events, or from those up to a day, included.

    Raises as ``full_refresh``.
    """
    return full_refresh(
        connection,
        as_etl(aggregate),
        lambda cursor: through or _last_day(cursor, aggregate),
        lambda cursor, last: _replace(cursor, aggregate, last),
    )


def as_etl(aggregate: Aggregate) -> Etl:
    """The ETL that fills ``reports.<aggregate>``."""
    return _Streamed(
        aggregate.name,
        "reports",
        (aggregate.feed.table,),
        f"a {aggregate.entity}",
        aggregate.version,
    )


def facts_query(aggregate: Aggregate) -> str:
    """What puts the facts up to a day into a temporary table."""
    return (
        "CREATE TEMPORARY TABLE facts ON COMMIT DROP AS"
        f' SELECT {aggregate.entity} AS entity, {aggregate.category} COLLATE "C" AS category,'
        f" {aggregate.amount} AS amount, {aggregate.day} AS day"
        f" FROM {aggregate.feed.table} WHERE {aggregate.day} <= %s"
    )


def _last_day(cursor: Cursor, aggregate: Aggregate) -> date:
    cursor.execute(
        f"SELECT coalesce(max({aggregate.day}), current_date) FROM {aggregate.feed.table}"
    )
    ((found,),) = cursor.fetchall()
    assert isinstance(found, date)
    return found


def _replace(cursor: Cursor, aggregate: Aggregate, last: date) -> Outcome:
    """Put new rows in the place of the old."""
    cursor.execute(facts_query(aggregate), (last,))
    n_events = cursor.rowcount
    cursor.execute("ANALYZE facts")
    empty_alone(cursor, ("reports", aggregate.name))
    cursor.execute(
        f"INSERT INTO reports.{aggregate.name} ({', '.join(aggregate.columns)})"
        f" SELECT * FROM ({query('aggregates/top_and_streak')}) AS result"
    )
    return Outcome(FULL, n_events, n_events, cursor.rowcount, {})
