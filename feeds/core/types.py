"""The types that feeds' models are written with: strict about text, exact about time."""

import json
import math
import re
import sys
from datetime import date, datetime, timezone
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
_NO_INSTANT = "not a date and time such as 2020-12-06 22:03:16.759617"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Python reads no longer ones, since that takes time that grows with their square.
LONG_NUMBER = f"a number of more than {sys.get_int_max_str_digits():,} digits"
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def parse_instant(value: object) -> datetime:
    """The instant that a text such as ``2020-12-06 22:03:16.759617`` names; UTC without a zone.

    Only ISO 8601 dates with a time are read: pydantic's own reading of numbers as seconds since
    1970 would turn a misplaced column into a plausible date.

    Raises:
        ValueError: the text is no such instant.
    """
    if isinstance(value, str):
        return _read_instant(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    raise ValueError(_NO_INSTANT)


@lru_cache(maxsize=2**15)  # an event's identity and its validation ask one after the other
def _read_instant(text: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(_NO_INSTANT)
    day, time, zone = match.groups()
    if zone is None:
        return datetime.fromisoformat(f"{day}T{time}+00:00")
    try:
        return datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("the year in UTC is outside 1 to 9999") from None
    except ValueError as error:
        if "timedelta" in str(error):
            raise ValueError("the zone is a day or more away from UTC") from None
        raise


def _parse_date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("not a date such as 2020-12-06")
    return date.fromisoformat(value)


def _parse_integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise ValueError("not a whole number")
    return int(value)


def _storable(value: str) -> str:
    """PostgreSQL stores every character but NUL, and no half of a surrogate pair."""
    if "\x00" in value:
        raise ValueError("contains a NUL character, which PostgreSQL cannot store")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half of a surrogate pair, which is no character") from None
    return value


def _parse_json_object(value: object) -> dict[str, Any]:
    """A JSON object, bare (``{"id": 1}``) or as some exports quote it (``"{""id"": 1}"``)."""
    try:
        found = value if isinstance(value, dict) else _load_json(str(value))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        _check_storable(found)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _load_json(text: str) -> Any:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        text = text[1:-1].replace('""', '"')
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (character {error.pos + 1})") from None
    except ValueError as error:
        raise ValueError(LONG_NUMBER if "digits" in str(error) else str(error)) from None


def _check_storable(value: Any) -> None:
    """Raise ValueError for what a JSON value holds and PostgreSQL's jsonb cannot."""
    if isinstance(value, str):
        _storable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number that is none, or too large")
    elif isinstance(value, dict):
        for key, item in value.items():
            _storable(key)
            _check_storable(item)
    elif isinstance(value, list):
        for item in value:
            _check_storable(item)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


Text = Annotated[str, AfterValidator(_storable)]
HexId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{24}$")]
Instant = Annotated[datetime, BeforeValidator(parse_instant)]
CalendarDate = Annotated[date, BeforeValidator(_parse_date)]
Integer = Annotated[int, BeforeValidator(_parse_integer), Field(ge=-(2**63), le=2**63 - 1)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_parse_json_object)]

# What a column of a raw table can be: the type of its values in a model, and PostgreSQL's.
COLUMN_TYPES: dict[type, str] = {
    str: "text",
    int: "bigint",
    date: "date",
    datetime: "timestamp with time zone",
    dict: "jsonb",
}


def column_type(annotation: Any) -> type | None:
    """Which of these the values of a field are; None: none of them, so no raw table can have it.

    Of the annotation, what only narrows the values counts for nothing: NULL, constraints, and
    which texts are allowed.
    """
    if get_origin(annotation) is Annotated:
        return column_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [part for part in get_args(annotation) if part is not NoneType]
        return column_type(kinds[0]) if len(kinds) == 1 else None
    if get_origin(annotation) is Literal:
        are_texts = all(isinstance(value, str) for value in get_args(annotation))
        return str if are_texts else None
    kind = get_origin(annotation) or annotation
    return kind if kind in COLUMN_TYPES else None
