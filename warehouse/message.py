"""A message between producer and consumer, in our own terms, and the names both agree on."""

import json
from dataclasses import dataclass, field

from pydantic import BaseModel, Field

EXCHANGE = "events"  # topic exchange, durable; routing key = feed
DEAD_LETTERS = "events.dead"  # exchange and queue of messages that cannot be handled

JSON = "application/json"  # one event
NDJSON = "application/x-ndjson"  # many events, one JSON object a line
CSV = "text/csv"  # a header and many rows, in the feed's dialect
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"
MANIFEST = "application/x-import-manifest+json"  # what a producer says it has published of a file

# Headers of our own messages. A foreign publisher needs none of them.
SOURCE = "source"  # name of the file
FIRST_LINE = "first-line"  # the line in the file of the first row, from 1
IMPORTED_AT = "imported-at"  # microseconds since 1970; orders the files of all imports
ROWS = "rows"  # how many rows the message holds
EVENT_ID = "event-id"  # the id of the message's one row, where its bytes do not give it again
REPLAY = "replay"  # published again from what was set aside: it is no part of its import any more
MALFORMED = "malformed"  # why the one row of the message is none: the producer has cut it

_LAST_LINE = 2**62  # with the lines of a message still a bigint


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


@dataclass(slots=True)  # a frozen one takes three times as long to make, for every message
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

    @property
    def first_line(self) -> int:
        """The line of its source on which its rows begin; if it does not say, its own."""
        default = 2 if self.content_type == CSV else 1
        line = self.headers.get(FIRST_LINE, default)
        return line if isinstance(line, int) and 0 < line <= _LAST_LINE else default

    @property
    def redeliveries(self) -> int:
        """How often it came before and was not acknowledged, as a quorum queue counts."""
        count = self.headers.get("x-delivery-count", 0)
        return count if isinstance(count, int) else 0


class Manifest(BaseModel):
    """What a producer says it has published of a file, when it has published it all."""

    n_messages: int = Field(ge=0)
    n_rows: int = Field(ge=0)
    last_line: int = Field(ge=0)
    error: str | None = None  # why it is not the whole file
    fingerprint: str | None = None  # of the file: as long as it is the same, so is the content


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


def lines_in(message: Message | Delivery) -> int:
    """How many lines of its source a message holds."""
    line_feeds = message.body.count(b"\n")
    return line_feeds if message.content_type == CSV else line_feeds + 1
