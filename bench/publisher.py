"""A publisher of a live stream, as another team might write it: pika alone, a message an event.

``python -m bench.publisher FILE OF NUMBER`` publishes every OF-th row, from the NUMBER-th on.
"""

import csv
import json
import sys
import uuid
from itertools import islice
from typing import Any

import pika

from stack.looking import channel
from warehouse.message import EXCHANGE, JSON


def main() -> None:
    """Publish, and print how many events that were."""
    path, of, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with open(path, encoding="utf-8", newline="") as file:
        events = [
            json.dumps({name: value for name, value in row.items() if value}).encode()
            for row in islice(csv.DictReader(file), number, None, of)
        ]
    with channel() as found:
        for body in events[:-1]:
            _publish(found, body)
        found.confirm_delivery()  # a channel closed at once may drop what the queue has not taken
        _publish(found, events[-1])
    print(len(events))


def _publish(channel_: Any, body: bytes) -> None:
    properties = pika.BasicProperties(
        content_type=JSON, message_id=str(uuid.uuid4()), delivery_mode=pika.DeliveryMode.Persistent
    )
    channel_.basic_publish(EXCHANGE, "user_events", body, properties)


if __name__ == "__main__":
    main()
