"""A dry run: what an ETL would read and write, statement by statement, with the plans."""

import re
from collections.abc import Sequence
from datetime import date

from etls.catalogue import Etl
from etls.ledger import changes, outlooks
from etls.runner import EVERYBODY, Job, spans
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import query

_PLANNED = re.compile(r"(CREATE TEMPORARY TABLE|INSERT|UPDATE|DELETE|WITH|SELECT)\b")


def rehearse(connection: Connection, etl: Etl, dates: Sequence[date], *, full: bool) -> str:
    """What a run would do, for a person. It is done, for the plans depend on it, and undone."""
    with translated_errors(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = changes(cursor, etl, dates)
        said = [
            f"{etl.name} {change.import_date}: {change.n_events:,} events, "
            + (
                f"{change.n_new:,} of them new"
                if Job(etl, [change], full).since is not None
                else "all to be worked on"
            )
            for change in found
        ]
        for span in spans(outlooks(cursor, etl, dates), full=full):
            cursor.execute("SAVEPOINT span")
            said += _statements(
                cursor, Job(etl, [change for change in found if change.import_date in span], full)
            )
            cursor.execute("ROLLBACK TO SAVEPOINT span")
        connection.rollback()
    return "\n".join(said)


def _statements(cursor: Cursor, job: Job) -> list[str]:
    parameters = job.parameters(EVERYBODY, job.since or "")
    said = [f"\nsql/{job.etl.sql}.sql, {parameters['first_date']} to {parameters['last_date']}"]
    for statement in re.split(r";\s*\n", re.sub(r"--.*", "", query(job.etl.sql))):
        if not statement.strip():
            continue
        text = statement.strip()
        said.append("\n" + cursor.mogrify(text, parameters).decode() + ";")
        if _PLANNED.match(text):
            cursor.execute(f"EXPLAIN {text}", parameters)
            said += [f"    {line}" for line, in cursor]
        cursor.execute(text, parameters)
        if _PLANNED.match(text):
            said.append(f"    -> {cursor.rowcount:,} rows")
    return said
