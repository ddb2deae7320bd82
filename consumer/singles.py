"""Messages of one JSON event each, read together by columns: live streams are made of these."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from pydantic_core import from_json

from consumer.blocks import Block, block_of_columns
from consumer.decoders import is_cloudevent
from feeds.core.columns import cut, object_columns, read_columns
from feeds.core.declaration import Feed
from feeds.core.records import FIELD_END, ROW_END
from feeds.core.rows import to_json
from warehouse.message import IMPORTED_AT, JSON, SOURCE, Delivery

_FIELD_END = FIELD_END.decode()


def can_be_together(delivery: Delivery) -> bool:
    """Whether nobody needs to know what becomes of this one message: it is of no import."""
    return (
        delivery.content_type == JSON
        and delivery.problem is None
        and delivery.reply_to is None
        and delivery.message_id is not None
        and not delivery.redeliveries
        and SOURCE not in delivery.headers
        and IMPORTED_AT not in delivery.headers
        and not (delivery.headers and is_cloudevent(delivery))
    )


def read_singles(
    feed: Feed, deliveries: Sequence[Delivery], now: datetime
) -> tuple[Block | None, list[Delivery], list[Delivery]]:
    """One block of the good events, the deliveries it is of, and those that are in any doubt."""
    found = [(d, event_id, text) for d, event_id, text in _texts(feed, deliveries) if text]
    if not found:
        return None, [], list(deliveries)
    sheet, good = cut(
        ROW_END.join(text for _, _, text in found), len(feed.header), FIELD_END, ROW_END
    )
    columns = read_columns(feed, feed.header, sheet)
    good[good] = columns.good
    chosen = [entry for entry, sure in zip(found, good.tolist()) if sure]
    if not chosen:
        return None, [], list(deliveries)
    taken = [delivery for delivery, _, _ in chosen]
    ids = np.frombuffer(b"".join(event_id for _, event_id, _ in chosen), np.uint8)
    block = block_of_columns(
        feed,
        columns.of(columns.good),
        lines=[1] * len(taken),
        payloads=[delivery.body for delivery in taken],
        imported_at=now,
        ids=ids.reshape(-1, 16),
    )
    known = {id(delivery) for delivery in taken}
    return block, taken, [delivery for delivery in deliveries if id(delivery) not in known]


def _texts(
    feed: Feed, deliveries: Iterable[Delivery]
) -> Iterable[tuple[Delivery, bytes, bytes | None]]:
    """Each event's id and fields, these as text that columns can read, or None."""
    names = frozenset(feed.header)
    objects = object_columns(feed)
    for delivery in deliveries:
        event_id = _event_id(delivery.message_id or "")
        text = None
        try:
            event = from_json(delivery.body)
            if event_id is not None and isinstance(event, dict) and event.keys() <= names:
                values = ["" if v is None else v for v in map(event.get, feed.header)]
                for place in objects:
                    if isinstance(values[place], dict):
                        values[place] = to_json(values[place]).decode()
                text = _FIELD_END.join(values).encode()
                if text.count(FIELD_END) >= len(names) or ROW_END in text or b"\0" in text:
                    text = None
        except (ValueError, TypeError, RecursionError):
            pass  # no JSON, or a value that is no text: the decoder knows what to say
        yield delivery, event_id or b"", text


def _event_id(message_id: str) -> bytes | None:
    """The bytes of a UUID as it is usually written."""
    if len(message_id) != 36:
        return None
    try:
        octets = bytes.fromhex(message_id.replace("-", ""))
    except ValueError:
        return None
    return octets if len(octets) == 16 else None
