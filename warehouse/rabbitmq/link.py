"""A link to RabbitMQ that serves itself and comes back by itself.

A link is one connection with one channel, run by a thread of its own, so that heartbeats are
answered however long the caller is busy. What happens arrives as events in a queue; what the
caller wants is handed to the thread. After a break the link reconnects for ever, with back-off:
whoever waits decides how long.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import takewhile
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import pika
from pika.adapters.utils import io_services_utils
from pika.channel import Channel
from pika.exceptions import (
    AuthenticationError,
    ConnectionOpenAborted,
    ProbableAuthenticationError,
)

from warehouse.link_events import Blocked, Confirmed, Event, Lost, Opened, Refused, Returned
from warehouse.message import (
    DEAD_LETTERS,
    DELIVERY_COUNT,
    EXCHANGE,
    Delivery,
    Message,
    Receipt,
    queue_of,
)
from warehouse.rabbitmq.parameters import connection_parameters
from warehouse.rabbitmq.properties import Properties
from warehouse.rabbitmq.topology import declare

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0  # seconds between attempts to connect
_READ_BYTES = 256 * 1024
_RECEIPTS_EXPIRE_MS = 3_600_000  # an abandoned import's receipts are dropped after an hour

# pika reads 4 KiB at a time and at each copies what it has of the frame so far: a frame of 128 KiB
# takes 32 reads and 2 MiB of copies. It has no setting for that.
# pylint: disable-next=protected-access
io_services_utils._AsyncTransportBase._MAX_RECV_BYTES = _READ_BYTES


class _Unconfirmed:
    """Which message each publishing of a channel was, until the broker has answered it."""

    def __init__(self) -> None:
        self._tag = 0  # the broker counts publishings from 1, and so do we
        self._messages: dict[int, str] = {}

    def add(self, message_id: str) -> None:
        self._tag += 1
        self._messages[self._tag] = message_id

    def take(self, tag: int, multiple: bool) -> tuple[str, ...]:
        """The message of a tag, or all up to it."""
        tags = list(takewhile(tag.__ge__, self._messages)) if multiple else [tag]
        return tuple(filter(None, map(self._messages.pop, tags)))


class Link:
    """A connection to RabbitMQ, kept up by its own thread while the ``with`` block lasts."""

    def __init__(
        self,
        url: str,
        name: str,
        feeds: Sequence[str],
        *,
        prefetch: int = 0,
        receipts: str | None = None,
    ) -> None:
        """Prepare a link; nothing is connected yet.

        Args:
            url: amqp or amqps URL.
            name: how the broker's management page shows the connection.
            feeds: the feeds whose queues exist once the link is open.
            prefetch: how many unacknowledged deliveries of a queue may be here; 0 takes none.
            receipts: name of a queue of our own where receipts for our messages arrive.
        """
        self._parameters = connection_parameters(url, name)
        self._name = name
        self._feeds = feeds
        self._prefetch = prefetch
        self._receipts = receipts
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._unconfirmed = _Unconfirmed()
        self._generation = 0
        self._ready: Channel | None = None
        self._lost_because = ""
        self._delay = _FIRST_DELAY
        self._closing = threading.Event()
        self._lock = threading.Lock()  # of the connection, which both threads use
        self._connection: pika.SelectConnection | None = None
        self._thread = threading.Thread(target=self._serve, name="rabbitmq", daemon=True)

    def __enter__(self) -> "Link":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._hand_over(self._close)
        self._thread.join(timeout=10)

    # What the caller may do, from its own thread.

    def next_event(self, timeout: float) -> Event:
        """What happened next; None after ``timeout`` seconds or when woken."""
        try:
            return self._events.get(timeout=timeout)
        except Empty:
            return None

    def wake(self) -> None:
        """Let ``next_event`` return at once; may be called from a signal handler."""
        self._events.put(None)

    def publish(self, messages: Iterable[Message]) -> None:
        """Send messages; each is answered by Confirmed, Refused, Returned, or a Lost link."""
        self._hand_over(partial(self._publish_all, list(messages)))

    def settle(self, outcomes: Sequence[tuple[Delivery, Receipt]]) -> None:
        """Answer and acknowledge deliveries.

        They must be the first of those that were taken and not settled yet. Those of a channel
        that is gone are passed over: the broker brings them again.
        """
        self._hand_over(partial(self._settle_all, outcomes))

    # What the thread does.

    def _hand_over(self, task: Callable[[], None]) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.ioloop.add_callback_threadsafe(task)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._lost_because = ""
            try:
                connection = pika.SelectConnection(
                    self._parameters,
                    on_open_callback=self._on_connected,
                    on_open_error_callback=self._on_connect_failed,
                    on_close_callback=self._on_closed,
                )
                with self._lock:
                    self._connection = connection
                if not self._closing.is_set():
                    connection.ioloop.start()
            except Exception as error:  # pylint: disable=broad-exception-caught
                self._on_connect_failed(None, error)  # whoever waits for us must hear of it
            self._ready = None
            with self._lock:
                connection, self._connection = self._connection, None
            if connection is not None:
                connection.ioloop.close()
            self._closing.wait(self._delay)
            self._delay = min(self._delay * 2, _LONGEST_DELAY)

    def _close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._ready is not None and self._receipts is not None:
            self._ready.queue_delete(self._receipts)
        if not (connection.is_closing or connection.is_closed):
            connection.close()  # also while it connects: its socket would stay open otherwise

    def _on_connected(self, connection: pika.SelectConnection) -> None:
        connection.add_on_connection_blocked_callback(lambda *_: self._events.put(Blocked(True)))
        connection.add_on_connection_unblocked_callback(lambda *_: self._events.put(Blocked(False)))
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_connect_failed(self, _connection: object, error: Exception) -> None:
        refused = isinstance(_innermost(error), AuthenticationError | ProbableAuthenticationError)
        reason = "user or password refused" if refused else _describe(error)
        self._events.put(Lost(reason, permanent=refused))
        if self._connection is not None:
            self._connection.ioloop.stop()

    def _on_closed(self, connection: pika.SelectConnection, error: Exception) -> None:
        self._ready = None
        self._events.put(Lost(self._lost_because or _describe(error)))
        connection.ioloop.stop()

    def _on_channel_open(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(lambda _: self._reopen("the broker cancelled a consumer"))
        channel.add_on_return_callback(self._on_returned)
        declare(channel, tuple(self._feeds))
        if self._receipts is not None:
            channel.queue_declare(
                self._receipts, durable=True, arguments={"x-expires": _RECEIPTS_EXPIRE_MS}
            )
        self._unconfirmed = _Unconfirmed()
        channel.confirm_delivery(self._on_confirmed, callback=partial(self._on_declared, channel))

    def _on_declared(self, channel: Channel, _frame: object) -> None:
        self._generation += 1
        self._ready = channel
        self._delay = _FIRST_DELAY
        self._events.put(Opened())
        if self._receipts is not None:
            self._consume(channel, self._receipts, "", auto_ack=True)
        if self._prefetch:
            channel.basic_qos(prefetch_count=self._prefetch)
            for feed in self._feeds:
                self._consume(channel, queue_of(feed), feed, auto_ack=False)
            self._consume(channel, DEAD_LETTERS, DEAD_LETTERS, auto_ack=False)

    def _consume(self, channel: Channel, queue: str, feed: str, *, auto_ack: bool) -> None:
        channel.basic_consume(queue, partial(self._on_delivery, feed), auto_ack=auto_ack)

    def _on_channel_closed(self, _channel: Channel, error: Exception) -> None:
        self._reopen(_describe(error))

    def _reopen(self, reason: str) -> None:
        """A channel that broke is not repaired: the connection is opened anew."""
        self._lost_because = self._lost_because or reason
        self._ready = None
        if self._connection is not None and self._connection.is_open:
            self._connection.close()

    def _on_delivery(
        self, feed: str, _channel: Channel, method: Any, properties: Properties, body: bytes
    ) -> None:
        headers = properties.headers or {}
        if not method.redelivered:  # then the count is its publisher's invention
            headers.pop(DELIVERY_COUNT, None)
        self._events.put(
            Delivery(
                channel=self._generation,
                tag=method.delivery_tag,
                content_type=properties.content_type,
                body=body,
                headers=headers,
                feed=feed,
                message_id=properties.message_id,
                reply_to=properties.reply_to,
                correlation_id=properties.correlation_id,
                problem=properties.problem,
            )
        )

    def _on_returned(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        self._events.put(Returned(properties.message_id, method.routing_key))

    def _on_confirmed(self, frame: Any) -> None:
        message_ids = self._unconfirmed.take(frame.method.delivery_tag, frame.method.multiple)
        if not message_ids:
            return  # a receipt's
        acknowledged = isinstance(frame.method, pika.spec.Basic.Ack)
        self._events.put(Confirmed(message_ids) if acknowledged else Refused(message_ids))

    def _publish_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if self._ready is None:
                return  # whoever waits for the confirmation sends again when the link is open
            self._unconfirmed.add(message.message_id)
            self._ready.basic_publish(
                EXCHANGE,
                message.feed,
                message.body,
                pika.BasicProperties(
                    content_type=message.content_type,
                    message_id=message.message_id,
                    type=message.feed,
                    app_id=self._name,
                    delivery_mode=pika.DeliveryMode.Persistent,
                    timestamp=int(time.time()),
                    headers=message.headers or None,
                    reply_to=message.reply_to,
                ),
                mandatory=True,
            )

    def _settle_all(self, outcomes: Sequence[tuple[Delivery, Receipt]]) -> None:
        channel = self._ready
        current = [(d, r) for d, r in outcomes if d.channel == self._generation]
        if channel is None or not current:
            return
        for delivery, receipt in current:
            if delivery.answers_to is not None:
                self._send_receipt(channel, delivery, receipt)
        channel.basic_ack(max(delivery.tag for delivery, _ in current), multiple=True)

    def _send_receipt(self, channel: Channel, delivery: Delivery, receipt: Receipt) -> None:
        # Ahead of the acknowledgement on the same channel: if this is lost, that is lost too,
        # and the message comes again.
        self._unconfirmed.add("")
        channel.basic_publish(
            "",
            delivery.answers_to,
            json.dumps(asdict(receipt)).encode(),
            pika.BasicProperties(
                content_type="application/json",
                correlation_id=delivery.message_id,
                delivery_mode=pika.DeliveryMode.Persistent,
            ),
        )


def _innermost(error: BaseException) -> BaseException:
    """The cause at the bottom of pika's nested errors."""
    nested = [*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args]
    causes = [cause for cause in nested if isinstance(cause, BaseException)]
    return _innermost(causes[-1]) if causes else error


def _describe(error: BaseException) -> str:
    cause = _innermost(error)
    if isinstance(cause, ConnectionOpenAborted):  # pika gave up waiting
        return "it takes connections, but does not answer"
    return " ".join(str(cause).split()) or type(cause).__name__
