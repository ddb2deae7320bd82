"""How a body is read, one decoder a content type: bytes become rows that are not validated yet."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import Message as HeaderParser
from email.utils import collapse_rfc2231_value
from functools import lru_cache
from uuid import UUID

from pydantic import ValidationError

from consumer.blocks import Block
from consumer.bulk import read_bulk
from feeds.core.declaration import Feed
from feeds.core.records import MalformedRecord, parse_header
from feeds.core.rows import (
    Row,
    identify,
    read_json,
    read_object,
    read_records,
    time_ordered_id,
    to_json,
)
from feeds.core.types import LONG_NUMBER
from warehouse.message import (
    CLOUDEVENT,
    CLOUDEVENTS,
    CSV,
    EVENT_ID,
    JSON,
    MALFORMED,
    MANIFEST,
    NDJSON,
    Delivery,
    Manifest,
    is_csv,
)

# Twice what our producer puts into a message. Bad rows by the million would take minutes, in which
# no other message is stored.
MOST_ROWS = 200_000
_TOO_MANY = f"more than {MOST_ROWS:,} lines or elements: publish it in parts"

# A text as a whole, so that no bracket or comma in it counts.
_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{},]', re.DOTALL)

# The bindings of CloudEvents for AMQP 1.0 and, by Knative and the SDKs, for RabbitMQ.
_ATTRIBUTE_PREFIXES = ("ce-", "cloudEvents:", "cloudEvents_")


class UndecodableMessage(ValueError):
    """There is no telling which events this message holds: the text says why."""


@dataclass(frozen=True)
class Contents:
    """What a message holds: rows that are not validated yet, and blocks of rows that are."""

    feed: Feed
    rows: list[Row] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    manifest: Manifest | None = None


def decode(delivery: Delivery, feeds: Mapping[str, Feed], imported_at: datetime) -> Contents:
    """The contents of a message; ``imported_at`` is when the import of its rows began.

    Raises:
        UndecodableMessage: nothing of it can be read; it belongs in the dead-letter queue.
    """
    feed = feeds.get(delivery.feed)
    if feed is None or not feed.queued:
        raise UndecodableMessage(f"unknown feed {delivery.feed!r}")
    if delivery.body.count(b"\n") > MOST_ROWS:
        raise UndecodableMessage(_TOO_MANY)
    if MALFORMED in delivery.headers:
        return Contents(feed, [_cut_row(feed, delivery)])
    content_type, charset = _content_type(delivery.content_type)
    if is_cloudevent(delivery) and content_type in ("", JSON):
        return Contents(feed, [_row_of_attributes(feed, delivery)])
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UndecodableMessage(f"charset {charset!r}: only UTF-8 is read")
    if content_type == CSV:
        return _decode_csv(feed, delivery, imported_at)
    if content_type == MANIFEST:
        return Contents(feed, manifest=_decode_manifest(delivery))
    if content_type not in _DECODERS:
        raise UndecodableMessage(f"unknown content type {delivery.content_type!r}")
    return Contents(feed, list(_DECODERS[content_type](feed, delivery)))


def _decode_manifest(delivery: Delivery) -> Manifest:
    try:
        return Manifest.model_validate_json(delivery.body)
    except ValidationError:
        raise UndecodableMessage("no manifest of an import") from None


def _cut_row(feed: Feed, delivery: Delivery) -> Row:
    """The row of which the producer sends only the beginning, with the reason."""
    line, start = delivery.first_line, delivery.body
    if is_csv(delivery.content_type):
        rest = start.partition(b"\n")[2]
        start = rest if rest.strip() else start
    reason = str(delivery.headers[MALFORMED]) or "malformed, says its publisher"
    return Row(line, start, identify(feed, line, start, {}), {}, reason)


@lru_cache(maxsize=256)
def _content_type(text: str | None) -> tuple[str, str]:
    parsed = HeaderParser()
    parsed["content-type"] = text or ""
    charset = collapse_rfc2231_value(parsed.get_param("charset", "utf-8"))
    return parsed.get_content_type() if text else "", charset.lower()


def header_of(delivery: Delivery) -> str:
    """The first line of a message of delimited text."""
    end = delivery.body.find(b"\n")  # a partition would copy what follows, for each reject
    head = delivery.body if end < 0 else delivery.body[:end]
    return head.decode(errors="backslashreplace")


def _decode_csv(feed: Feed, delivery: Delivery, imported_at: datetime) -> Contents:
    head, _, body = delivery.body.partition(b"\n")
    try:
        header = parse_header(head, feed)
    except MalformedRecord as error:
        raise UndecodableMessage(str(error)) from None
    blocks, records = read_bulk(feed, header, body, delivery.first_line, imported_at)
    rows = list(read_records(feed, header, records))
    if len(rows) == 1 and EVENT_ID in delivery.headers:
        rows = [replace(rows[0], event_id=_kept_id(delivery))]
    return Contents(feed, rows, blocks)


def _kept_id(delivery: Delivery) -> UUID:
    """The id that a replayed event already has."""
    try:
        return UUID(str(delivery.headers[EVENT_ID]))
    except ValueError:
        raise UndecodableMessage(f"the header {EVENT_ID} is no UUID") from None


def _decode_ndjson(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    for line, raw in enumerate(delivery.body.split(b"\n"), delivery.first_line):
        if raw.strip():
            yield read_json(feed, line, raw.removesuffix(b"\r"))


def _decode_json(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    row = read_json(feed, delivery.first_line, delivery.body, _event_id(feed, delivery))
    if row.malformed is not None:
        raise UndecodableMessage(row.malformed)
    yield row


def _decode_cloudevent(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    yield _row_of_cloudevent(feed, 1, _load(delivery.body))


def _decode_cloudevents(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    for position, element in enumerate(_elements(delivery.body), 1):
        try:
            yield _row_of_cloudevent(feed, position, _load(element))
        except UndecodableMessage as error:
            event_id = identify(feed, position, element, {})
            yield Row(position, element, event_id, {}, str(error))


def _elements(body: bytes) -> list[bytes]:
    """The texts of a JSON array's elements: one that is broken costs itself."""
    starts, depth, end = [0], 0, 0
    for match in _JSON_TOKEN.finditer(body):
        token = match.group()
        depth += (token in b"[{") - (token in b"]}") if len(token) == 1 else 0
        if token == b"[" and depth == 1 and not body[: match.start()].strip():
            starts = [match.end()]
        elif token == b"," and depth == 1:
            starts.append(match.end())
            if len(starts) > MOST_ROWS:
                raise UndecodableMessage(_TOO_MANY)
        elif depth == 0:
            end = match.start()
            break
    if starts[0] == 0 or body[end : end + 1] != b"]" or body[end + 1 :].strip():
        raise UndecodableMessage("a CloudEvents batch is a JSON array")
    stops = [start - 1 for start in starts[1:]] + [end]
    found = [body[start:stop].strip() for start, stop in zip(starts, stops)]
    return [] if found == [b""] else found


def _row_of_cloudevent(feed: Feed, position: int, envelope: object) -> Row:
    """CloudEvents 1.0: source and id together identify an event; its data is ours."""
    if not isinstance(envelope, dict) or not {"id", "source", "data"} <= envelope.keys():
        raise UndecodableMessage("a CloudEvent has an id, a source and, here, data")
    name, data = [envelope["source"], envelope["id"]], envelope["data"]
    if not all(part and isinstance(part, str) for part in name):
        raise UndecodableMessage("id and source of a CloudEvent are texts, and not empty")
    content = b"cloudevent\0%s" % json.dumps(name).encode()
    fields = data if isinstance(data, dict) else {}
    return read_object(feed, position, to_json(data), data, identify(feed, 0, content, fields))


def is_cloudevent(delivery: Delivery) -> bool:
    """Whether the message is a CloudEvent in binary mode: its attributes are headers."""
    return any(f"{prefix}id" in delivery.headers for prefix in _ATTRIBUTE_PREFIXES)


def _row_of_attributes(feed: Feed, delivery: Delivery) -> Row:
    headers = delivery.headers
    prefix, *_ = (p for p in _ATTRIBUTE_PREFIXES if f"{p}id" in headers)
    envelope = {name: headers.get(f"{prefix}{name}") for name in ("id", "source")}
    return _row_of_cloudevent(feed, 1, {**envelope, "data": _load(delivery.body)})


def _load(body: bytes) -> object:
    try:
        return json.loads(body)
    except RecursionError:
        raise UndecodableMessage("not JSON that can be read: nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UndecodableMessage(f"not JSON: {error}") from None
    except ValueError:
        raise UndecodableMessage(f"not JSON that can be read: {LONG_NUMBER}") from None


def _event_id(feed: Feed, delivery: Delivery) -> UUID | None:
    """A publisher's own id of the event, or None: then its content is its identity."""
    if not delivery.message_id:
        return None
    try:
        return UUID(delivery.message_id)
    except ValueError:
        return time_ordered_id(0, f"{feed.name}\0{delivery.message_id}".encode())


_DECODERS: dict[str, Callable[[Feed, Delivery], Iterator[Row]]] = {
    NDJSON: _decode_ndjson,
    JSON: _decode_json,
    CLOUDEVENT: _decode_cloudevent,
    CLOUDEVENTS: _decode_cloudevents,
}
