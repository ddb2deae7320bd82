"""Which UTC dates a person asks for."""

import re
from datetime import date, timedelta

from warehouse.errors import UsageError

_EXAMPLE = "IMPORT_DATE=2020-12-05 make users_dim (or --date 2020-12-05)"
_RANGE_EXAMPLE = "FROM=2020-12-05 TO=2020-12-11 make users_dim (or --from … --to …)"


def chosen_dates(day: str | None, first: str | None, last: str | None) -> list[date]:
    """One date, or every date from ``first`` to ``last``, both included.

    Raises:
        UsageError: no date, a malformed one, half a range, or a range that runs backwards.
    """
    if first or last:
        if not (first and last):
            missing = "TO" if first else "FROM"
            raise UsageError(f"{missing} is missing: type {_RANGE_EXAMPLE}")
        start, end = parse_date(first, _RANGE_EXAMPLE), parse_date(last, _RANGE_EXAMPLE)
        if start > end:
            raise UsageError(f"FROM {start} lies after TO {end}: type {_RANGE_EXAMPLE}")
        return [start + timedelta(days=n) for n in range((end - start).days + 1)]
    if not day:
        raise UsageError(f"no date given: type {_EXAMPLE}")
    return [parse_date(day)]


def parse_date(text: str, example: str = _EXAMPLE) -> date:
    """A date as people write it here; ``example`` is what to type instead of a bad one.

    Raises:
        UsageError: it is none.
    """
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError("not of the form YYYY-MM-DD")
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date ({error}): type {example}") from None
