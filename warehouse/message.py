"""A message between producer and consumer, in our own terms, and the names both agree on."""

import json
import secrets
from dataclasses import dataclass, field
from typing import TypeGuard

from pydantic import BaseModel, ConfigDict, Field

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
DELIVERY_COUNT = "x-delivery-count"  # the broker's: how often the message came before
MALFORMED = "malformed"  # why the one row of the message is none: the producer has cut it

RECEIPTS = "receipts."  # what the names of queues begin with that take receipts

_LAST_LINE = 2**62  # with the lines of a message still a bigint
_MOST = 2**53  # messages or rows of a file; a sum of many such numbers is still a bigint
_MOST_REDELIVERIES = 2**31


def is_csv(content_type: str | None) -> bool:
    """Whether this means delimited text, whatever parameters follow."""
    return (content_type or "").partition(";")[0].strip().lower() == CSV


def new_receipts_queue() -> str:
    """A name that nobody can guess, for who knows it can answer in the consumer's place."""
    return RECEIPTS + secrets.token_hex(16)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


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
    problem: str | None = None  # why its properties cannot be read

    def number(self, header: str) -> int | None:
        """The whole number in a header; None: there is none. To Python, True would be one too."""
        value = self.headers.get(header)
        return value if _is_whole(value) else None

    @property
    def first_line(self) -> int:
        """The line of its source on which its rows begin; if it does not say, its own."""
        line = self.number(FIRST_LINE)
        if line is not None and 0 < line <= _LAST_LINE:
            return line
        return 2 if is_csv(self.content_type) else 1

    @property
    def redeliveries(self) -> int:
        """How often it came before and was not acknowledged, as a quorum queue counts."""
        return min(max(self.number(DELIVERY_COUNT) or 0, 0), _MOST_REDELIVERIES)

    @property
    def answers_to(self) -> str | None:
        """The queue where its sender waits for a receipt. Other queues get none: anybody could
        have us write into any queue."""
        if self.reply_to is None or not self.reply_to.startswith(RECEIPTS):
            return None
        return self.reply_to if self.message_id else None


class Manifest(BaseModel):
    """What a producer says it has published of a file, when it has published it all."""

    model_config = ConfigDict(strict=True)

    n_messages: int = Field(ge=0, le=_MOST)
    n_rows: int = Field(ge=0, le=_MOST)
    last_line: int = Field(ge=0, le=_LAST_LINE)
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


def receipt_from(body: bytes) -> Receipt | None:
    """The receipt that a consumer's answer holds; None: it is none."""
    try:
        counts = json.loads(body)
        if all(_is_whole(count) and count >= 0 for count in counts.values()):
            return Receipt(**counts)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return None


def lines_in(message: Message | Delivery) -> int:
    """How many lines of its source a message holds."""
    line_feeds = message.body.count(b"\n")
    return line_feeds if is_csv(message.content_type) else line_feeds + 1
