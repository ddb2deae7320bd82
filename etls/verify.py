"""The whole examination of an ETL's table; a run examines no more than it has touched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from etls.catalogue import Etl
from etls.run_log import (
    PendingWork,
    WorkEstimate,
    date_statuses,
    processed_dates,
    pruned_before,
)
from etls.runner import Job, groups, run_lock
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import SQL, query

_MOST_COMMANDS = 5


@dataclass(frozen=True)
class Check:
    """A check of a whole table."""

    name: str
    n_violations: int
    example: str | None  # one of them
    dates: Sequence[date]  # on which they are

    def __str__(self) -> str:
        if not self.n_violations:
            return f"  ok    {self.name}"
        return f"  WRONG {self.name}: {self.n_violations:,} times not, such as {self.example}"


@dataclass(frozen=True)
class Verified:
    """What an examination found."""

    etl: Etl
    dates: Sequence[date]  # that were compared with raw events
    n_stale: int  # dates that could not be, until they have run
    checks: Sequence[Check]
    pruned_before: date | None

    @property
    def is_sound(self) -> bool:
        """Whether no check is broken."""
        return not any(check.n_violations for check in self.checks)

    def __str__(self) -> str:
        stale = f", {self.n_stale:,} more are stale and were not" if self.n_stale else ""
        head = f"{self.etl.target}: {len(self.dates):,} dates compared with raw events{stale}"
        return "\n".join([head, *map(str, self.checks)])

    @property
    def remedies(self) -> list[str]:
        """What to do about it, one thing a line."""
        wrong = sorted({day for check in self.checks for day in check.dates})
        first = self.pruned_before or date.min
        ranges = list(_ranges([day for day in wrong if day >= first]))
        said = [
            f"type make {self.etl.name} FULL=1 FROM={start} TO={end}"
            for start, end in ranges[:_MOST_COMMANDS]
        ]
        if len(ranges) > _MOST_COMMANDS:
            said.append(f"and so on for {len(ranges) - _MOST_COMMANDS:,} more ranges of dates")
        if wrong and wrong[0] < first:
            said.append(f"what is wrong before {first} cannot be made again: raw days are pruned")
        return said


def verify(connection: Connection, etl: Etl) -> Verified:
    """Examine the whole table of an ETL, as one transaction sees it. Its runs wait meanwhile.

    Raises:
        WarehouseError: the database cannot be asked.
    """
    with run_lock(connection, etl), translated_errors(), connection.cursor() as cursor:
        try:
            cursor.execute(query("meta/begin_run"))
            statuses = date_statuses(cursor, etl)
            dates = [status.import_date for status in statuses if not status.is_stale]
            pruned = pruned_before(cursor, etl)
            if (SQL / f"{etl.verification}.sql").exists():
                checks = _verify_by_sql(cursor, etl, dates)
            else:
                checks = _verify_by_making_again(cursor, etl, dates)
        finally:
            if not connection.closed:
                connection.rollback()
    return Verified(etl, dates, len(statuses) - len(dates), checks, pruned)


def _verify_by_sql(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Check]:
    cursor.execute(query(etl.verification), _compared(cursor, etl, dates))
    return [Check(name, int(count), example, found or ()) for name, count, example, found in cursor]


def _compared(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> dict[str, object]:
    return {
        "dates": list(dates),
        "processed": processed_dates(cursor, etl),
        "pruned_before": pruned_before(cursor, etl) or "-infinity",
    }


def _verify_by_making_again(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Check]:
    """Make the rows of the dates again, compare them with those that were there, and undo it."""
    cursor.execute(f"CREATE TEMPORARY TABLE found ON COMMIT DROP AS TABLE {etl.target}")
    day = etl.date_column
    n_wrong = 0
    wrong: set[date] = set()
    for group in groups((WorkEstimate(one, 0, False) for one in dates), full=True):
        cursor.execute("SAVEPOINT made_again")
        job = Job(etl, [PendingWork(one, 0, 0, None, True) for one in group], full=True)
        cursor.execute(query(etl.sql), job.parameters())
        cursor.execute(
            f"SELECT {day}, count(*) FROM ("
            f" (TABLE found EXCEPT ALL TABLE {etl.target})"
            f" UNION ALL (TABLE {etl.target} EXCEPT ALL TABLE found)) AS wrong GROUP BY {day}"
        )
        for one, count in cursor.fetchall():
            wrong.add(one)
            n_wrong += count
        cursor.execute("ROLLBACK TO SAVEPOINT made_again")
    cursor.execute(
        f"SELECT {day}, count(*) FROM found"
        f" WHERE {day} <> ALL(%(processed)s::date[]) AND {day} >= %(pruned_before)s GROUP BY {day}",
        _compared(cursor, etl, dates),
    )
    foreign = dict(cursor.fetchall())
    return [
        _on_dates("its rows are those that raw events make now", n_wrong, wrong),
        _on_dates("its rows are of processed dates", sum(foreign.values()), set(foreign)),
    ]


def _on_dates(name: str, n_violations: int, dates: set[date]) -> Check:
    example = f"a row of {min(dates)}" if dates else None
    return Check(name, n_violations, example, sorted(dates))


def _ranges(dates: Sequence[date]) -> Iterator[tuple[date, date]]:
    """The first and the last of each run of consecutive dates."""
    start = end = None
    for day in dates:
        if end is not None and day - end > timedelta(days=1):
            assert start is not None
            yield start, end
            start = None
        start, end = start or day, day
    if start is not None and end is not None:
        yield start, end
