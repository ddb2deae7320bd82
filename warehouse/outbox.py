"""Messages on their way: sent, watched, sent again after a break, until each has its answer."""

import time
from collections.abc import Callable
from dataclasses import replace

from warehouse.errors import BrokerUnavailable, Unroutable
from warehouse.link_events import Blocked, Confirmed, Lost, Opened, Refused, Returned
from warehouse.message import SOURCE, Delivery, Message, Receipt, receipt_from
from warehouse.rabbitmq import Link


class Outbox:
    """At most ``window`` messages are on their way; sending another waits for an answer.

    The answer is the broker's confirmation or, with ``receipts``, the consumer's word of what
    became of the rows. So memory stays flat, and after a break what is still unanswered goes out
    again: the consumer recognises what it already has.
    """

    def __init__(
        self,
        link: Link,
        *,
        window: int,
        patience: float,
        receipts: str | None,
        report: Callable[["Outbox"], None] = lambda _: None,
    ) -> None:
        """Prepare to send; ``patience`` is how many seconds a broker may be away."""
        self.total = Receipt()
        self.by_source: dict[str, Receipt] = {}
        self.rows_sent = 0
        self.rows_answered = 0
        self.trouble: str | None = "not connected yet"  # why nothing moves at present
        self._link = link
        self._window = window
        self._patience = patience
        self._receipts = receipts
        self._report = report
        self._outstanding: dict[str, Message] = {}
        self._away_since: float | None = time.monotonic()
        self._away_because = "not connected yet"

    def send(self, message: Message) -> None:
        """Send a message, as soon as the window lets it.

        Raises:
            BrokerUnavailable: the broker was away for longer than the patience.
            Unroutable: the broker has no queue for it.
        """
        while len(self._outstanding) >= self._window or message.message_id in self._outstanding:
            self._wait()
        message = replace(message, reply_to=self._receipts)
        self._outstanding[message.message_id] = message
        self.rows_sent += message.rows
        if self._away_since is None:  # else it goes out with all the others when the link opens
            self._link.publish([message])
        self._wait(0)

    def drain(self) -> None:
        """Wait until everything is answered. Raises as ``send`` does."""
        while self._outstanding:
            self._wait()

    def _wait(self, timeout: float = 0.5) -> None:
        self._handle(timeout)
        if self._away_since is not None and time.monotonic() - self._away_since > self._patience:
            raise BrokerUnavailable(
                f"RabbitMQ cannot be reached: {self._away_because}. What was sent is safe; "
                "run the same import again when it is back"
            )
        self._report(self)

    def _handle(self, timeout: float) -> None:
        match self._link.next_event(timeout):
            case Opened():
                self._away_since, self.trouble = None, None
                self._link.publish(self._outstanding.values())
            case Lost(reason, permanent):
                self._away_because = self.trouble = reason
                self._away_since = self._away_since or time.monotonic()
                if permanent:
                    raise BrokerUnavailable(f"RabbitMQ (RABBITMQ_URL): {reason}")
            case Blocked(blocked):
                self.trouble = "RabbitMQ is short of memory or disk" if blocked else None
            case Confirmed(message_ids):
                if self._receipts is None:
                    for message_id in message_ids:
                        self._answer(message_id, Receipt())
            case Refused(message_ids):
                time.sleep(0.1)  # a full queue is not emptier at once
                again = (self._outstanding.get(message_id) for message_id in message_ids)
                self._link.publish(message for message in again if message is not None)
            case Returned(_, feed):
                raise Unroutable(f"RabbitMQ has no queue for {feed!r}; run make setup")
            case Delivery(body=body, correlation_id=message_id) if message_id is not None:
                receipt = receipt_from(body)
                if receipt is not None:
                    self._answer(message_id, receipt)

    def _answer(self, message_id: str, receipt: Receipt) -> None:
        message = self._outstanding.pop(message_id, None)
        if message is not None:  # else a second answer to a message that went out twice
            self.rows_answered += message.rows
            self.total += receipt
            source = str(message.headers.get(SOURCE, ""))
            self.by_source[source] = self.by_source.get(source, Receipt()) + receipt
