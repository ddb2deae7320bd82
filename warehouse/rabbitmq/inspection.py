"""A look at the broker: what waits in its queues, and whether these are as they have to be."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError, AMQPError, ChannelClosedByBroker

from warehouse.errors import BrokerUnavailable
from warehouse.message import DEAD_LETTERS, EXCHANGE, queue_of
from warehouse.rabbitmq import topology
from warehouse.rabbitmq.parameters import connection_parameters


@contextmanager
def _connection(url: object) -> Iterator[Any]:
    parameters = connection_parameters(url, "event-operator")
    try:
        connection = pika.BlockingConnection(parameters)
    except (AMQPConnectionError, OSError) as error:
        cause = str(error) or type(error).__name__
        raise BrokerUnavailable(f"RabbitMQ (RABBITMQ_URL) cannot be reached: {cause}") from None
    try:
        yield connection
    except AMQPError as error:
        raise BrokerUnavailable(f"RabbitMQ: {error}") from None
    finally:
        if connection.is_open:
            connection.close()


@dataclass(frozen=True)
class QueueState:
    """What waits in a queue, and for whom; messages that a consumer has in hand do not wait."""

    messages: int
    consumers: int
    seconds: float | None = None  # since the first of them was published; None: nobody says

    @property
    def is_stuck(self) -> bool:
        """Whether messages wait and nobody takes them."""
        return self.messages > 0 and self.consumers == 0


def queue_states(
    url: object, queues: Sequence[str], *, with_ages: bool = False
) -> dict[str, QueueState]:
    """The state of each of these queues; one that does not exist is empty, without consumers.

    Args:
        with_ages: look at the first message, which then counts as delivered once more.

    Raises:
        BrokerUnavailable: the broker cannot be reached.
    """
    with _connection(url) as connection:
        return {queue: _state(connection, queue, with_ages) for queue in queues}


def _state(connection: Any, queue: str, with_age: bool) -> QueueState:
    channel = connection.channel()
    try:
        found = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker:
        return QueueState(0, 0)
    seconds = _age_of_first(channel, queue) if with_age and found.message_count else None
    channel.close()
    return QueueState(found.message_count, found.consumer_count, seconds)


def _age_of_first(channel: Any, queue: str) -> float | None:
    method, properties, _ = channel.basic_get(queue)
    if method is None:
        return None  # a consumer was faster
    channel.basic_nack(method.delivery_tag, requeue=True)
    if properties.timestamp is None:
        return None
    return max(0.0, time.time() - float(properties.timestamp))


def version(url: object) -> tuple[int, ...]:
    """The broker's version, such as (3, 10, 8)."""
    with _connection(url) as connection:
        # pika shows what the server said of itself on the connection underneath.
        found = connection._impl.server_properties["version"]  # pylint: disable=protected-access
        return tuple(int(part) for part in found.split(".")[:3])


def differences(url: object, feeds: Sequence[str]) -> dict[str, str]:
    """What of the topology is missing or other than declared, and the broker's words for it."""
    found = {}
    with _connection(url) as connection:
        for name, method, arguments in _declarations(feeds):
            channel = connection.channel()
            try:
                getattr(channel, method)(**arguments)
                channel.close()
            except ChannelClosedByBroker as error:
                found[name] = error.reply_text
    return found


def _declarations(feeds: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each part by itself: whether it is there, and, if it is, whether we would declare it so."""
    exchanges = {EXCHANGE: "topic", DEAD_LETTERS: "fanout"}
    for name, kind in exchanges.items():
        wanted = {"exchange": name, "exchange_type": kind, "durable": True}
        yield f"exchange {name}", "exchange_declare", {"exchange": name, "passive": True}
        yield f"exchange {name}", "exchange_declare", wanted
    queues = {queue_of(feed): topology.EVENT_QUEUE for feed in feeds}
    for name, arguments in {**queues, DEAD_LETTERS: topology.DEAD_LETTER_QUEUE}.items():
        wanted = {"queue": name, "durable": True, "arguments": arguments}
        yield f"queue {name}", "queue_declare", {"queue": name, "passive": True}
        yield f"queue {name}", "queue_declare", wanted


def dead_letters_arrive(url: object) -> bool:
    """Whether a rejected message of a queue like ours really reaches where it is to go."""
    name = f"events.doctor.{time.time_ns()}"
    arguments = {
        **topology.EVENT_QUEUE,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": f"{name}.dead",
    }
    with _connection(url) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(f"{name}.dead", durable=True, arguments=topology.DEAD_LETTER_QUEUE)
        channel.queue_declare(name, durable=True, arguments=arguments)
        try:
            channel.basic_publish("", name, b"probe", mandatory=True)
            method, _, _ = _get(channel, name)
            if method is None:
                return False
            channel.basic_reject(method.delivery_tag, requeue=False)
            return _get(channel, f"{name}.dead")[0] is not None
        finally:
            channel.queue_delete(name)
            channel.queue_delete(f"{name}.dead")


def _get(channel: Any, queue: str) -> Any:
    for _ in range(50):
        found = channel.basic_get(queue)
        if found[0] is not None:
            return found
        time.sleep(0.1)
    return found
