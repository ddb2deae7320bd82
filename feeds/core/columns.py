"""Many rows at once: which of them surely keep the contract, and their values as arrays.

Only what needs no second look is accepted here; a row in any doubt is left to the feed's model,
which alone rejects, and says why. So this can be narrow, and fast: a column at a time instead of
a row at a time.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from feeds.core.declaration import Feed
from feeds.core.types import CalendarDate, HexId, Instant, Integer, JsonObject, Text

Mask = NDArray[np.bool_]
Values = NDArray[Any]

_PADDING = 64  # bytes behind the last field, so that a fixed width can be read of each
_SHORT = 32  # bytes of a value that is worth remembering
_ZERO = ord("0")


def windows(buffer: NDArray[np.uint8], width: int) -> NDArray[np.void]:
    """The bytes from each place of a buffer on, as one value of so many bytes each: numpy moves
    these at twice the speed of rows of single bytes."""
    return np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))


@dataclass(frozen=True)
class Sheet:
    """Fields as places in a buffer of bytes, a row of ``starts`` and ``lengths`` for each row."""

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def heads(self, column: int, width: int) -> NDArray[np.uint8]:
        """The first ``width`` bytes of each field, and of what follows where it is shorter."""
        return self._of_width(width, self.starts[:, column])

    def tails(self, column: int, width: int) -> NDArray[np.uint8]:
        """The last ``width`` bytes of each field, and of what precedes it where it is shorter."""
        ends = self.starts[:, column] + self.lengths[:, column]
        return self._of_width(width, np.maximum(ends - width, 0))

    def _of_width(self, width: int, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return windows(self.buffer, width)[places].view(np.uint8).reshape(-1, width)


@dataclass(frozen=True)
class Columns:
    """What was read, in the order of the table: ``good`` rows keep the contract.

    Of the other rows nothing is said. ``values`` has an array for each column, or None where the
    bytes of the field are the value. Instants are microseconds, dates days since 1970.
    """

    sheet: Sheet
    good: Mask
    values: tuple[Values | None, ...]

    def of(self, rows: Mask) -> "Columns":
        """The same of these rows alone."""
        if rows.all():
            return self
        sheet = Sheet(self.sheet.buffer, self.sheet.starts[rows], self.sheet.lengths[rows])
        values = (None if found is None else found[rows] for found in self.values)
        return Columns(sheet, self.good[rows], tuple(values))


Reader = Callable[[Sheet, int], tuple[Mask, Values | None]]


def cut(text: bytes, width: int, delimiter: bytes, line_end: bytes) -> tuple[Sheet, Mask]:
    """The fields of text without quotes, and which of its lines have ``width`` fields.

    The sheet has a row for each of those; what follows the last ``line_end`` is a line too.
    """
    body = b"".join([text, line_end, bytes(_PADDING)])
    buffer = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero((buffer == ord(delimiter)) | (buffer == ord(line_end)))
    line_ends = np.flatnonzero(buffer[breaks] == ord(line_end))
    counts = np.diff(line_ends, prepend=-1)
    whole = counts == width
    line_starts = np.concatenate(([0], breaks[line_ends[:-1]] + 1))
    if not whole.all():
        breaks, line_starts = breaks[np.repeat(whole, counts)], line_starts[whole]
    ends = breaks.reshape(-1, width)
    starts = np.empty_like(ends)
    starts[:, 0], starts[:, 1:] = line_starts, ends[:, :-1] + 1
    return Sheet(buffer, starts, ends - starts), whole


def read_columns(feed: Feed, header: Sequence[str], sheet: Sheet) -> Columns:
    """Judge the rows of a sheet, whose columns are named by ``header``."""
    readers = column_readers(feed)
    assert readers is not None
    if tuple(header) != feed.header:
        order = [header.index(name) for name in feed.header]
        sheet = Sheet(sheet.buffer, sheet.starts[:, order], sheet.lengths[:, order])
    good = np.ones(len(sheet.starts), bool)
    values = []
    for index, name in enumerate(feed.header):
        sure, found = readers[name](sheet, index)
        good &= sure
        values.append(found)
    return Columns(sheet, good, tuple(values))


@cache
def object_columns(feed: Feed) -> frozenset[int]:
    """Which columns of the table hold JSON objects."""
    hints = get_type_hints(feed.model, include_extras=True)
    found = (_without_none(hints[column])[0] == JsonObject for column in feed.columns)
    return frozenset(place for place, is_object in enumerate(found) if is_object)


@cache
def column_readers(feed: Feed) -> dict[str, Reader] | None:
    """How each column is read, by its name in the file; None: this feed goes row by row."""
    hints = get_type_hints(feed.model, include_extras=True)
    readers: dict[str, Reader] = {}
    for column, name in zip(feed.columns, feed.header):
        hint, optional = _without_none(hints[column])
        reader = _reader_of(hint)
        if reader is None:
            return None
        readers[name] = partial(_read_field, reader, optional)
    return readers


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return inner, True
    return hint, False


def _reader_of(hint: Any) -> Reader | None:
    for known, reader in _READERS:
        if hint == known:
            return reader
    if get_origin(hint) is Literal:
        return partial(_read_literals, get_args(hint))
    if get_origin(hint) is Annotated and get_args(hint)[0] is str:
        return partial(_read_judged, TypeAdapter(hint))
    return None


def _read_field(
    reader: Reader, optional: bool, sheet: Sheet, column: int
) -> tuple[Mask, Values | None]:
    """An empty field is NULL: good where the column may be NULL and has no form but its bytes."""
    good, values = reader(sheet, column)
    empty = sheet.lengths[:, column] == 0
    if optional and values is None:
        return good | empty, values
    return good & ~empty, values


def _read_texts(sheet: Sheet, _column: int) -> tuple[Mask, None]:
    return np.ones(len(sheet.starts), bool), None


def _read_literals(allowed: Sequence[str], sheet: Sheet, column: int) -> tuple[Mask, None]:
    good = np.zeros(len(sheet.starts), bool)
    values = [text.encode() for text in allowed]
    for width in {len(value) for value in values}:
        heads = sheet.heads(column, width).view(f"S{width}").ravel()
        is_one = np.logical_or.reduce([heads == value for value in values if len(value) == width])
        good |= (sheet.lengths[:, column] == width) & is_one
    return good, None


def _read_judged(judge: TypeAdapter[object], sheet: Sheet, column: int) -> tuple[Mask, None]:
    """Short values of a type that has no reader of its own: each different one is judged once."""
    lengths = sheet.lengths[:, column]
    heads = sheet.heads(column, _SHORT)
    heads[np.arange(_SHORT) >= lengths[:, None]] = 0
    different, places = np.unique(heads.view(f"S{_SHORT}").ravel(), return_inverse=True)
    verdicts = np.array([_keeps_contract(judge, value) for value in different.tolist()], bool)
    return verdicts[places] & (lengths <= _SHORT), None


@lru_cache(maxsize=2**12)
def _keeps_contract(judge: TypeAdapter[object], value: bytes) -> bool:
    try:
        text = value.decode()
        return judge.validate_python(text) == text
    except (ValidationError, UnicodeDecodeError):
        return False


def _read_objects(sheet: Sheet, column: int) -> tuple[Mask, None]:
    """Bare JSON objects of plain texts: what stands there is what the model would store."""
    buffer = sheet.buffer.tobytes()
    starts = sheet.starts[:, column]
    places = zip(starts.tolist(), (starts + sheet.lengths[:, column]).tolist())
    verdicts = (_is_plain_object(buffer[start:end]) for start, end in places)
    return np.fromiter(verdicts, bool, len(starts)), None


@lru_cache(maxsize=2**14)
def _is_plain_object(raw: bytes) -> bool:
    """Without escapes, so without characters that cannot be stored, and without numbers."""
    if not raw.startswith(b"{") or b"\\" in raw:
        return False
    try:
        return all(isinstance(value, str) for value in json.loads(raw).values())
    except (ValueError, RecursionError):
        return False


def _read_hex_ids(sheet: Sheet, column: int) -> tuple[Mask, None]:
    good = sheet.lengths[:, column] == 24
    return good & _IS_HEX[sheet.heads(column, 24)].all(axis=1), None


def _read_integers(sheet: Sheet, column: int) -> tuple[Mask, Values]:
    """Up to 18 digits, after a minus perhaps; the rare others are left to the model."""
    lengths = sheet.lengths[:, column]
    width = int(min(19, lengths.max(initial=1)))
    characters = _characters(sheet, column, width)
    negative = characters[0] == ord("-")
    good = (lengths > negative) & (lengths <= 18)
    values = np.zeros(len(lengths), np.int64)
    for place, digit in enumerate(characters - np.uint8(_ZERO)):
        inside = (place < lengths) & ~(negative & (place == 0))
        good &= ~inside | (digit < 10)
        values = np.where(inside & good, values * 10 + digit, values)
    return good, np.where(negative, -values, values)


def _read_dates(sheet: Sheet, column: int) -> tuple[Mask, Values]:
    good, days = _parse_dates(_characters(sheet, column, 10))
    return good & (sheet.lengths[:, column] == 10), days.astype("datetime64[D]")


def _read_instants(sheet: Sheet, column: int) -> tuple[Mask, Values]:
    """Instants in UTC with seconds, such as ``2020-12-06 22:03:16.759617`` or ``… +0000``."""
    lengths = _without_utc(sheet, column)
    characters = _characters(sheet, column, 26)
    good, days = _parse_dates(characters)
    digits = characters - np.uint8(_ZERO)
    hour, minute, second = (_number(digits, place, 2) for place in (11, 14, 17))
    good &= _are_digits(digits, (11, 12, 14, 15, 17, 18))
    good &= (characters[10] == ord(" ")) | (characters[10] == ord("T"))
    good &= (characters[13] == ord(":")) & (characters[16] == ord(":"))
    good &= (hour < 24) & (minute < 60) & (second < 60)
    for place in range(20, 26):
        digits[place][lengths <= place] = 0
    has_fraction = (characters[19] == ord(".")) & (lengths >= 21) & (lengths <= 26)
    good &= (lengths == 19) | (has_fraction & _are_digits(digits, range(20, 26)))
    seconds = (hour * 60 + minute) * 60 + second
    microseconds = days * 86_400_000_000 + seconds * 1_000_000 + _number(digits, 20, 6)
    return good, microseconds.astype("datetime64[us]")


def _characters(sheet: Sheet, column: int, width: int) -> NDArray[np.uint8]:
    """The first, second and further characters of all fields, an array each."""
    return np.ascontiguousarray(sheet.heads(column, width).T)


def _without_utc(sheet: Sheet, column: int) -> NDArray[np.int64]:
    """The lengths of the fields without a zone that means UTC."""
    lengths = sheet.lengths[:, column].copy()
    if lengths.max(initial=0) <= 19 or not (lengths != lengths[0]).any() and lengths[0] == 26:
        return lengths
    for zone in (b" +0000", b"+00:00", b"Z"):
        longer = lengths > 19
        tails = sheet.tails(column, len(zone))
        lengths -= len(zone) * (longer & (tails == np.frombuffer(zone, np.uint8)).all(axis=1))
    return lengths


def _parse_dates(characters: NDArray[np.uint8]) -> tuple[Mask, NDArray[np.int64]]:
    """Days since 1970 of texts that start like ``2020-12-06``, and which really do."""
    digits = characters - np.uint8(_ZERO)
    year, month, day = _number(digits, 0, 4), _number(digits, 5, 2), _number(digits, 8, 2)
    good = _are_digits(digits, (0, 1, 2, 3, 5, 6, 8, 9))
    good &= (characters[4] == ord("-")) & (characters[7] == ord("-"))
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (year - 1970) * 12 + month - 1
    first, following = (_first_day(number) for number in (months, months + 1))
    return good & (day <= following - first), first + day - 1


def _first_day(months: NDArray[np.int64]) -> NDArray[np.int64]:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _number(digits: NDArray[np.uint8], start: int, count: int) -> NDArray[np.int64]:
    value: NDArray[np.int64] = digits[start].astype(np.int64)
    for place in range(start + 1, start + count):
        value = value * 10 + digits[place]
    return value


def _are_digits(digits: NDArray[np.uint8], places: Sequence[int]) -> Mask:
    found: Mask = digits[places[0]] < 10
    for place in places[1:]:
        found &= digits[place] < 10
    return found


_IS_HEX = np.zeros(256, bool)
_IS_HEX[np.frombuffer(b"0123456789abcdefABCDEF", np.uint8)] = True

_READERS: tuple[tuple[Any, Reader], ...] = (
    (Text, _read_texts),
    (HexId, _read_hex_ids),
    (Instant, _read_instants),
    (CalendarDate, _read_dates),
    (Integer, _read_integers),
    (JsonObject, _read_objects),
)
