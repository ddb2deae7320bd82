"""Reads the properties of a message, whatever bytes its publisher wrote there.

pika's own reading raises for what other publishers may send: an instant beyond the year 9999, a
number that is none (NaN), a table nested deeper than Python's stack. It raises in the middle of the
connection, which then breaks before anybody has counted the delivery, so the broker gives up the
message and its neighbours. This module is the only one that replaces a part of pika.

The forms of values are those of AMQP 0-9-1, section 4.2.5.5, with RabbitMQ's corrections
(https://www.rabbitmq.com/amqp-0-9-1-errata#section_3).
"""

import math
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from struct import Struct
from typing import Any

import pika

UNDECODED = "undecoded-properties"  # a header of ours: the properties as they came, in hexadecimal

_DEEPEST = 32  # tables and arrays inside each other
_CUT_SHORT = "the properties are cut short"

_octet, _flags, _length = (Struct(form) for form in (">B", ">H", ">I"))


class Properties(pika.BasicProperties):  # type: ignore[misc]  # pika has no types
    """pika's properties, of which ``problem`` says why they cannot be read, if so.

    Then what could be read is there, and the header ``UNDECODED`` has the bytes.
    """

    headers: dict[str, Any] | None
    problem: str | None = None

    def decode(self, encoded: bytes, offset: int = 0) -> "Properties":
        """Read what the bytes hold; never raises."""
        try:
            self._read(_Bytes(encoded, offset))
        except _Unreadable as error:
            self.problem = str(error)
        if self.problem is not None:
            self.headers = {**(self.headers or {}), UNDECODED: encoded[offset:].hex()}
        return self

    def _read(self, encoded: "_Bytes") -> None:
        flags = encoded.flags()
        for name, flag in _PROPERTIES:
            if not flags & flag:
                continue
            if name == "headers":
                self.headers = self._read_headers(encoded)
            elif name in _NUMBERS:
                setattr(self, name, encoded.number(_NUMBERS[name]))
            else:
                self._read_text(name, encoded.short_string())

    def _read_headers(self, encoded: "_Bytes") -> dict[str, Any]:
        table = encoded.part()
        found: dict[str, Any] = {}
        try:
            table.read_table_into(found, 1)
        except _Unreadable as error:
            self.problem = f"a header cannot be read: {error}"
        return found

    def _read_text(self, name: str, raw: bytes) -> None:
        try:
            setattr(self, name, raw.decode())
        except UnicodeDecodeError:
            setattr(self, name, raw.decode(errors="backslashreplace"))
            self.problem = f"the property {name} is not UTF-8"


class _Unreadable(Exception):
    """The text says what cannot be read."""


class _Bytes:
    """A part of the properties, read from its beginning to its end."""

    def __init__(self, encoded: bytes, start: int, end: int | None = None) -> None:
        self._encoded = encoded
        self._place = start
        self._end = len(encoded) if end is None else end

    def flags(self) -> int:
        """Which properties follow; a bit of each word says that another one comes."""
        first = word = self.number(_flags)
        while word & 1:
            word = self.number(_flags)
        return int(first)

    def number(self, form: Struct) -> Any:
        """A number of a form."""
        (value,) = form.unpack(self.take(form.size))
        return value

    def short_string(self) -> bytes:
        """Up to 255 bytes."""
        return self.take(self.number(_octet))

    def part(self) -> "_Bytes":
        """The bytes of a table or an array."""
        size = self.number(_length)
        start = self._place
        self.take(size)
        return _Bytes(self._encoded, start, start + size)

    def long_string(self) -> str | bytes:
        """A text where the bytes are UTF-8."""
        raw = self.take(self.number(_length))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw

    def read_table_into(self, found: dict[str, Any], depth: int) -> dict[str, Any]:
        """Read names and values; those ahead of one that cannot be read are there all the same."""
        while self._place < self._end:
            name = self.short_string().decode(errors="backslashreplace")
            found[name] = self._value(depth)
        return found

    def array(self, depth: int) -> list[Any]:
        """Values, to the end."""
        found = []
        while self._place < self._end:
            found.append(self._value(depth))
        return found

    def _value(self, depth: int) -> Any:
        kind = self.take(1)
        if kind in b"FA":
            part = self.part()
            if depth >= _DEEPEST:
                return f"(nested more than {_DEEPEST} deep)"
            return part.read_table_into({}, depth + 1) if kind == b"F" else part.array(depth + 1)
        reader = _VALUES.get(kind)
        if reader is None:
            raise _Unreadable(f"no value is of type {kind!r}")
        return reader(self)

    def take(self, size: int) -> bytes:
        """So many bytes."""
        start = self._place
        if size > self._end - start:
            raise _Unreadable(_CUT_SHORT)
        self._place = start + size
        return self._encoded[start : start + size]


def _decimal(encoded: _Bytes) -> Decimal:
    places = encoded.number(_octet)
    return Decimal(encoded.number(Struct(">i"))).scaleb(-places)


def _instant(encoded: _Bytes) -> datetime | int:
    """Seconds since 1970; one that Python has no date for stays a number."""
    seconds = int(encoded.number(Struct(">Q")))
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return seconds


def _number_of(form: str) -> Callable[[_Bytes], Any]:
    compiled = Struct(form)
    return lambda encoded: encoded.number(compiled)


def _float_of(form: str) -> Callable[[_Bytes], float | str]:
    """JSON, in which dead letters keep headers, has no NaN and no infinity: these become texts."""
    compiled = Struct(form)

    def read(encoded: _Bytes) -> float | str:
        value = float(encoded.number(compiled))
        return value if math.isfinite(value) else str(value)

    return read


_VALUES: dict[bytes, Callable[[_Bytes], Any]] = {
    b"t": lambda encoded: bool(encoded.number(_octet)),
    b"b": _number_of(">b"),
    b"B": _number_of(">B"),
    b"s": _number_of(">h"),
    b"U": _number_of(">h"),
    b"u": _number_of(">H"),
    b"I": _number_of(">i"),
    b"i": _number_of(">I"),
    b"l": _number_of(">q"),
    b"L": _number_of(">q"),
    b"f": _float_of(">f"),
    b"d": _float_of(">d"),
    b"D": _decimal,
    b"S": _Bytes.long_string,
    b"x": lambda encoded: encoded.take(encoded.number(_length)),
    b"T": _instant,
    b"V": lambda _: None,
}

_NUMBERS = {"delivery_mode": _octet, "priority": _octet, "timestamp": Struct(">Q")}
_PROPERTIES = [  # in the order in which they are written, each with its flag
    (name, 1 << (15 - place))
    for place, name in enumerate(
        (
            "content_type",
            "content_encoding",
            "headers",
            "delivery_mode",
            "priority",
            "correlation_id",
            "reply_to",
            "expiration",
            "message_id",
            "timestamp",
            "type",
            "user_id",
            "app_id",
            "cluster_id",
        )
    )
]

pika.spec.props[pika.BasicProperties.INDEX] = Properties
