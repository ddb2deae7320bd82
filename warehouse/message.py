"""A message between producer and consumer, in our own terms, and the names both agree on."""

import json
from dataclasses import dataclass, field

EXCHANGE = "events"  # topic exchange, durable; routing key = feed
DEAD_LETTERS = "events.dead"  # exchange and queue of messages that cannot be handled

JSON = "application/json"  # one event
NDJSON = "application/x-ndjson"  # many events, one JSON object a line
CSV = "text/csv"  # a header and many rows, in the feed's dialect
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"

# Headers of our own messages. A foreign publisher needs none of them.
SOURCE = "source"  # name of the file
FIRST_LINE = "first-line"  # the line in the file of the first row, from 1
IMPORTED_AT = "imported-at"  # microseconds since 1970; orders the files of all imports


def queue_of(feed: str) -> str:
    """The name of the queue that holds a feed's events."""
    return f"{EXCHANGE}.{feed}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published. ``message_id`` is the same whenever the same rows are published."""

    feed: str
    message_id: str
    content_type: str
    body: bytes
    headers: dict[str, str | int] = field(default_factory=dict)
    rows: int = 1
    reply_to: str | None = None  # the queue where the sender waits for the receipt


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived. ``channel`` and ``tag`` name it to the broker, on that one channel only."""

    channel: int
    tag: int
    content_type: str | None
    body: bytes
    headers: dict[str, object]
    feed: str  # whose queue it came from; empty for a receipt
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the rows of one message."""

    stored: int = 0
    already_there: int = 0
    rejected: int = 0
    dead_lettered: int = 0  # messages, not rows

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            self.stored + other.stored,
            self.already_there + other.already_there,
            self.rejected + other.rejected,
            self.dead_lettered + other.dead_lettered,
        )


def receipt_from(body: bytes) -> Receipt:
    """The receipt that a consumer's answer holds."""
    return Receipt(**json.loads(body))
