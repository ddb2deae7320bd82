"""The whole examination of an ETL's table; a run examines no more than it has touched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from etls.catalogue import Etl
from etls.run_log import WorkEstimate, date_statuses, processed_dates, pruned_before
from etls.runner import groups
from warehouse.postgres import Connection, Cursor, translated_errors
from warehouse.queries import SQL, query


@dataclass(frozen=True)
class Check:
    """A check of a whole table."""

    name: str
    n_violations: int
    example: str | None  # one of them

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

    @property
    def is_sound(self) -> bool:
        """Whether no check is broken."""
        return not any(check.n_violations for check in self.checks)

    def __str__(self) -> str:
        stale = f", {self.n_stale:,} more are stale and were not" if self.n_stale else ""
        head = f"{self.etl.target}: {len(self.dates):,} dates compared with raw events{stale}"
        return "\n".join([head, *map(str, self.checks)])


def verify(connection: Connection, etl: Etl) -> Verified:
    """Examine the whole table of an ETL, as one transaction sees it.

    Raises:
        WarehouseError: the database cannot be asked.
    """
    with translated_errors(), connection, connection.cursor() as cursor:
        cursor.execute(query("meta/begin_run"))
        statuses = date_statuses(cursor, etl)
        dates = [status.import_date for status in statuses if not status.is_stale]
        if (SQL / f"{etl.verification}.sql").exists():
            checks = _verify_whole(cursor, etl, dates)
        else:
            checks = _verify_by_dates(cursor, etl, dates)
    return Verified(etl, dates, len(statuses) - len(dates), checks)


def _verify_whole(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Check]:
    parameters = {
        "dates": list(dates),
        "processed": processed_dates(cursor, etl),
        "pruned_before": pruned_before(cursor, etl) or "-infinity",
    }
    cursor.execute(query(etl.verification), parameters)
    return [Check(str(name), int(count), example) for name, count, example in cursor]


def _verify_by_dates(cursor: Cursor, etl: Etl, dates: Sequence[date]) -> list[Check]:
    """Its checks, which look at nothing but their dates, for all dates."""
    found: dict[str, Check] = {}
    for group in groups((WorkEstimate(day, 0, False) for day in dates), full=True):
        for name, count in _checked(cursor, etl, group[0], group[-1]):
            before = found.get(name, Check(name, 0, None))
            example = before.example or (f"{group[0]} to {group[-1]}" if count else None)
            found[name] = Check(name, before.n_violations + count, example)
    return list(found.values())


def _checked(cursor: Cursor, etl: Etl, first: date, last: date) -> Iterator[tuple[str, int]]:
    parameters = {
        "first_date": first,
        "last_date": last,
        "start": f"{first} 00:00+00",
        "end": f"{last} 24:00+00",
    }
    cursor.execute(query(etl.checks), parameters)
    yield from cursor.fetchall()
