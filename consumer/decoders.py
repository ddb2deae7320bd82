"""How a body is read, one decoder a content type: bytes become rows that are not validated yet."""

import json
from collections.abc import Callable, Iterator, Mapping
from email.message import Message as HeaderParser
from io import BytesIO
from uuid import UUID

from feeds.core.declaration import Feed
from feeds.core.records import MalformedRecord, parse_header, split_records
from feeds.core.rows import (
    Row,
    identify,
    read_json,
    read_object,
    read_records,
    time_ordered_id,
    to_json,
)
from warehouse.message import CLOUDEVENT, CLOUDEVENTS, CSV, FIRST_LINE, JSON, NDJSON, Delivery

_LAST_LINE = 2**62  # with the lines of a message still a bigint


class UndecodableMessage(ValueError):
    """There is no telling which events this message holds: the text says why."""


def decode(delivery: Delivery, feeds: Mapping[str, Feed]) -> tuple[Feed, list[Row]]:
    """The feed of a message and its rows.

    Raises:
        UndecodableMessage: nothing of it can be read; it belongs in the dead-letter queue.
    """
    feed = feeds.get(delivery.feed)
    if feed is None or not feed.queued:
        raise UndecodableMessage(f"unknown feed {delivery.feed!r}")
    content_type, charset = _content_type(delivery.content_type)
    decoder = _DECODERS.get(content_type)
    if decoder is None:
        raise UndecodableMessage(f"unknown content type {delivery.content_type!r}")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UndecodableMessage(f"charset {charset!r}: only UTF-8 is read")
    return feed, list(decoder(feed, delivery))


def _content_type(text: str | None) -> tuple[str, str]:
    parsed = HeaderParser()
    parsed["content-type"] = text or ""
    return parsed.get_content_type() if text else "", str(
        parsed.get_param("charset", "utf-8")
    ).lower()


def _first_line(delivery: Delivery, default: int) -> int:
    line = delivery.headers.get(FIRST_LINE, default)
    return line if isinstance(line, int) and 0 < line <= _LAST_LINE else default


def _decode_csv(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    lines = iter(BytesIO(delivery.body))
    try:
        header = parse_header(next(lines, b""), feed)
    except MalformedRecord as error:
        raise UndecodableMessage(str(error)) from None
    first_line = _first_line(delivery, 2)
    return read_records(feed, header, split_records(lines, feed.dialect, len(header), first_line))


def _decode_ndjson(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    for line, raw in enumerate(delivery.body.split(b"\n"), _first_line(delivery, 1)):
        if raw.strip():
            yield read_json(feed, line, raw)


def _decode_json(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    row = read_json(feed, _first_line(delivery, 1), delivery.body, _event_id(feed, delivery))
    if row.malformed is not None:
        raise UndecodableMessage(row.malformed)
    yield row


def _decode_cloudevent(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    yield _row_of_cloudevent(feed, 1, _load(delivery.body))


def _decode_cloudevents(feed: Feed, delivery: Delivery) -> Iterator[Row]:
    batch = _load(delivery.body)
    if not isinstance(batch, list):
        raise UndecodableMessage("a CloudEvents batch is a JSON array")
    for position, envelope in enumerate(batch, 1):
        yield _row_of_cloudevent(feed, position, envelope)


def _row_of_cloudevent(feed: Feed, position: int, envelope: object) -> Row:
    """CloudEvents 1.0: source and id together identify an event; its data is ours."""
    if not isinstance(envelope, dict) or not {"id", "source", "data"} <= envelope.keys():
        raise UndecodableMessage("a CloudEvent has an id, a source and, here, data")
    data = envelope["data"]
    content = b"cloudevent\0%s" % json.dumps([envelope["source"], envelope["id"]]).encode()
    fields = data if isinstance(data, dict) else {}
    return read_object(feed, position, to_json(data), data, identify(feed, 0, content, fields))


def _load(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UndecodableMessage(f"not JSON: {error}") from None


def _event_id(feed: Feed, delivery: Delivery) -> UUID | None:
    """A publisher's own id of the event, or None: then its content is its identity."""
    if not delivery.message_id:
        return None
    try:
        return UUID(delivery.message_id)
    except ValueError:
        return time_ordered_id(0, f"{feed.name}\0{delivery.message_id}".encode())


_DECODERS: dict[str, Callable[[Feed, Delivery], Iterator[Row]]] = {
    CSV: _decode_csv,
    NDJSON: _decode_ndjson,
    JSON: _decode_json,
    CLOUDEVENT: _decode_cloudevent,
    CLOUDEVENTS: _decode_cloudevents,
}
