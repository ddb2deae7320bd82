"""Answering a question from all raw events."""

from datetime import date

from etls.answers.catalogue import Answer, Rows
from etls.full_refresh import Refreshed, full_refresh
from etls.run_log import FULL, Outcome
from etls.runner import passed_checks
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import query


def refresh(connection: Connection, answer: Answer) -> Refreshed:
    """Fill the table of an answer. Raises as ``full_refresh``, and ``CheckFailed``."""
    return full_refresh(
        connection, answer.etl, _last_day, lambda cursor, _: _replace(cursor, answer)
    )


def rows_of(connection: Connection, answer: Answer) -> Rows:
    """What its table says now."""
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(answer.columns)} FROM {answer.etl.target} ORDER BY {answer.order}"
        )
        return list(cursor.fetchall())


def _last_day(cursor: Cursor) -> date:
    cursor.execute(
        "SELECT COALESCE(max(event_time AT TIME ZONE 'UTC')::date, current_date)"
        " FROM raw.user_interactions"
    )
    ((found,),) = cursor.fetchall()
    assert isinstance(found, date)
    return found


def _replace(cursor: Cursor, answer: Answer) -> Outcome:
    cursor.execute(query(answer.etl.sql))
    n_rows = cursor.rowcount
    checks = passed_checks(cursor, answer.etl, {})
    cursor.execute("SELECT count(*) FROM raw.user_interactions")
    ((n_events,),) = cursor.fetchall()
    return Outcome(FULL, int(n_events), int(n_events), n_rows, checks)
