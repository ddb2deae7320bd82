"""From records to validated rows: identity, the model's verdict, and the reason of a reject."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from feeds.core.declaration import Feed
from feeds.core.records import MalformedRecord, Record, parse_fields
from feeds.core.types import LONG_NUMBER, parse_instant

VERSION_OCTET, VARIANT_OCTET = 0x80, 0x80  # in octets 6 and 8 of a UUID: version 8, RFC variant
DEFECT = "defect"  # the code of a reject that is ours to mend
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """What was read of one event, before the model has seen it."""

    line: int  # in its source; for a message without a source, the position in the message
    payload: bytes  # as it came
    event_id: UUID
    fields: Mapping[str, object]  # by the file's column name, empty ones left out
    malformed: str | None = None  # why there are no fields


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that keeps the contract; values in the order of the raw table's columns."""

    row: Row
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that does not keep the contract, and why."""

    row: Row
    code: str  # pydantic's error type, or one of ours: malformed, database, defect
    column: str | None  # the file's name for it
    reason: str


def validate(feed: Feed, row: Row) -> Accepted | Rejected:
    """The feed's verdict on one row."""
    if row.malformed is not None:
        return Rejected(row, "malformed", None, row.malformed)
    try:
        event = feed.model.model_validate(row.fields)
    except ValidationError as error:
        return _explain(row, error)
    except Exception as error:  # pylint: disable=broad-exception-caught
        # A validator with a defect costs the rows that meet it, not their message.
        return Rejected(row, DEFECT, None, f"the model failed: {type(error).__name__}")
    return Accepted(row, feed.values_of(event))


def read_records(feed: Feed, header: Sequence[str], records: Iterable[Record]) -> Iterator[Row]:
    """The rows of delimited text under a header; blank lines are no rows."""
    for record in records:
        if not record.raw.strip():
            continue
        try:
            values = parse_fields(record.raw, feed.dialect)
            if len(values) != len(header):
                raise MalformedRecord(f"{len(values)} fields where {len(header)} are expected")
        except MalformedRecord as error:
            event_id = identify(feed, record.line, record.raw, {})
            yield Row(record.line, record.raw, event_id, {}, str(error))
            continue
        fields = {name: value for name, value in zip(header, values) if value != ""}
        yield Row(record.line, record.raw, identify(feed, record.line, record.raw, fields), fields)


def read_json(feed: Feed, line: int, payload: bytes, event_id: UUID | None = None) -> Row:
    """The row that the text of a JSON object is; without an ``event_id`` it gets its own."""
    try:
        return read_object(feed, line, payload, json.loads(payload), event_id)
    except json.JSONDecodeError as error:
        malformed = f"not JSON: {error.msg} (character {error.pos + 1})"
    except UnicodeDecodeError as error:
        malformed = f"not UTF-8 at byte {error.start + 1} of the row"
    except ValueError:
        malformed = f"not JSON that can be read: {LONG_NUMBER}"
    except RecursionError:
        malformed = "not JSON that can be read: nested too deeply"
    return Row(line, payload, event_id or identify(feed, line, payload, {}), {}, malformed)


def read_object(
    feed: Feed, line: int, payload: bytes, found: object, event_id: UUID | None = None
) -> Row:
    """The row that a decoded JSON value is; NULL and empty count as left out."""
    fields: dict[str, object] = {}
    malformed: str | None = "not a JSON object"
    if isinstance(found, dict):
        fields = {name: value for name, value in found.items() if value is not None and value != ""}
        malformed = None
    event_id = event_id or identify(feed, line, payload, fields)
    return Row(line, payload, event_id, fields, malformed)


def to_json(value: object) -> bytes:
    """A value as JSON, readable where UTF-8 allows; half a surrogate pair stays an escape."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def identify(feed: Feed, line: int, payload: bytes, fields: Mapping[str, object]) -> UUID:
    """The deterministic id of the event at a line of a file: a UUID version 8 (RFC 9562, 5.8).

    The first 48 bits are the event's time in milliseconds since 1970 (0 where it has none), as in
    version 7, so that the unique index grows at its end; the rest is a hash of feed, line and
    bytes. The file's name is not part of it: a file that was renamed, compressed, grown at its end
    or repaired in one row is still the same file.
    """
    digest = xxh3_128_digest(payload, identity_seed(feed) + line)
    return _time_ordered(_event_milliseconds(feed, fields), digest)


@cache
def identity_seed(feed: Feed) -> int:
    """What the hash of a feed's line 0 starts from; its line n starts from n more."""
    return xxh3_64_intdigest(feed.name.encode()) >> 1  # so that adding a line cannot overflow


def time_ordered_id(milliseconds: int, content: bytes) -> UUID:
    """A UUID version 8: 48 bits of time, then 74 bits of a hash of the content."""
    return _time_ordered(milliseconds, xxh3_128_digest(content))


def _time_ordered(milliseconds: int, digest: bytes) -> UUID:
    octets = bytearray(milliseconds.to_bytes(6, "big") + digest[6:])
    octets[6] = octets[6] & 0x0F | VERSION_OCTET
    octets[8] = octets[8] & 0x3F | VARIANT_OCTET
    return UUID(bytes=bytes(octets))


def _event_milliseconds(feed: Feed, fields: Mapping[str, object]) -> int:
    text = fields.get(feed.event_time) if feed.event_time else None
    if not isinstance(text, str):
        return 0
    try:
        instant = parse_instant(text if len(text) > 10 else f"{text} 00:00")
    except ValueError:
        return 0
    return max(0, (instant - _EPOCH) // _MILLISECOND)


def _explain(row: Row, error: ValidationError) -> Rejected:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    described = [
        (str(p["loc"][0]) if p["loc"] else "", p["msg"].removeprefix("Value error, "), p["type"])
        for p in problems
    ]
    reason = "; ".join(f"{column}: {message}" for column, message, _ in described)
    return Rejected(row, described[0][2], described[0][0] or None, reason)
