"""What the broker has to have: exchanges, queues, and the arguments that make them safe."""

from typing import Any

from warehouse.message import DEAD_LETTERS, EXCHANGE, queue_of

DELIVERY_LIMIT = 20  # RabbitMQ 4's default; 3.10 has none

EVENT_QUEUE = {
    "x-queue-type": "quorum",
    "x-dead-letter-exchange": DEAD_LETTERS,
    # With these two a dead letter leaves its queue only when the other one has confirmed it.
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-delivery-limit": DELIVERY_LIMIT,
}
DEAD_LETTER_QUEUE = {
    "x-queue-type": "quorum",
    # A consumer empties this queue. While none does, it takes so much and then refuses: what is
    # refused waits in the queue that it comes from. Without "reject-publish" the oldest would go.
    "x-max-length": 100_000,
    "x-max-length-bytes": 2**30,
    "x-overflow": "reject-publish",
    # There is no second dead-letter queue: what RabbitMQ 4 gives up here is gone. 3.10 takes no -1.
    "x-delivery-limit": 1_000_000,
}


def declare(channel: Any, feeds: tuple[str, ...]) -> None:
    """Declare everything; what is there already must be the same, or the broker closes the channel.

    The channel is pika's, of either kind: blocking, or with answers that come later.
    """
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.exchange_declare(DEAD_LETTERS, "fanout", durable=True)
    channel.queue_declare(DEAD_LETTERS, durable=True, arguments=DEAD_LETTER_QUEUE)
    channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS)
    for feed in feeds:
        channel.queue_declare(queue_of(feed), durable=True, arguments=EVENT_QUEUE)
        channel.queue_bind(queue_of(feed), EXCHANGE, routing_key=feed)
