"""Dead letters: messages that cannot be handled, kept as they came, with the reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from feeds.core.rows import time_ordered_id
from warehouse.message import DEAD_LETTERS, EXCHANGE, Delivery
from warehouse.postgres import Cursor, storable
from warehouse.queries import query

UNDECODABLE, POISON, UNWRITABLE = "undecodable", "poison", "unwritable"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; ``code`` is one of ours, or the broker's reason such as delivery_limit."""

    delivery: Delivery
    feed: str
    code: str
    error: str
    attempts: int


def letter_id(delivery: Delivery) -> UUID:
    """The same whenever the same message comes again."""
    name = f"{delivery.feed}\0{delivery.message_id}\0".encode(errors="backslashreplace")
    return time_ordered_id(0, name + delivery.body)


def letter_of(delivery: Delivery, code: str, error: str) -> Letter:
    """A letter of a message that the consumer gives up."""
    return Letter(delivery, delivery.feed, code, error, delivery.redeliveries + 1)


def letter_from_broker(delivery: Delivery) -> Letter:
    """A letter of a message that the broker has given up, by its headers (x-first-death-…)."""
    queue = str(delivery.headers.get("x-first-death-queue", ""))
    reason = str(delivery.headers.get("x-first-death-reason", "unknown"))
    feed = queue.removeprefix(f"{EXCHANGE}.") or DEAD_LETTERS
    error = f"set aside by the broker: {reason}"
    if delivery.problem is not None:
        error += f"; {delivery.problem}"
    return Letter(delivery, feed, reason, error, delivery.redeliveries + 1)


def record_letters(cursor: Cursor, letters: Sequence[Letter]) -> None:
    """Keep letters; one that has died before counts its attempts on."""
    for letter in letters:
        delivery = letter.delivery
        cursor.execute(
            query("raw/record_letter"),
            {
                "letter_id": str(letter_id(delivery)),
                "feed": storable(letter.feed),
                "message_id": storable(delivery.message_id),
                "content_type": storable(delivery.content_type),
                "headers": storable(json.dumps(delivery.headers, default=str)),
                "body": delivery.body,
                "code": storable(letter.code),
                "error": storable(letter.error),
                "source": storable(str(delivery.headers.get("source", ""))) or None,
                "first_line": delivery.first_line,
                "attempts": letter.attempts,
            },
        )
