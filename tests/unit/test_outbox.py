"""Messages on their way, over a link that only the test moves."""

from collections import deque
from collections.abc import Iterable
from typing import cast

import pytest

from tests.builders import delivery
from warehouse.errors import BrokerUnavailable, Unroutable
from warehouse.link_events import Blocked, Confirmed, Event, Lost, Opened, Refused, Returned
from warehouse.message import JSON, Delivery, Message, Receipt
from warehouse.outbox import Outbox
from warehouse.rabbitmq import Link


class ScriptedLink:
    """A link whose events are written down beforehand."""

    def __init__(self, *events: Event) -> None:
        self.events = deque(events)
        self.sent: list[str] = []

    def publish(self, messages: Iterable[Message]) -> None:
        self.sent += [message.message_id for message in messages]

    def next_event(self, timeout: float) -> Event:
        assert timeout <= 0.5
        return self.events.popleft() if self.events else None


def message(name: str, rows: int = 1) -> Message:
    return Message("user_events", name, JSON, b"{}", rows=rows)


def outbox(link: ScriptedLink, *, window: int = 10, receipts: str | None = None) -> Outbox:
    return Outbox(cast(Link, link), window=window, patience=0.05, receipts=receipts)


def receipt(message_id: str, body: str) -> Delivery:
    answer = delivery(body)
    return Delivery(1, 1, JSON, answer.body, {}, "", correlation_id=message_id)


def test_a_confirmed_message_is_answered() -> None:
    box = outbox(link := ScriptedLink(Opened(), Confirmed(("a", "b"))))
    box.send(message("a", rows=3))
    box.send(message("b"))
    box.drain()
    assert box.rows_answered == 4 and link.sent == ["a", "b"]


def test_with_receipts_only_the_consumers_word_counts() -> None:
    stored = '{"stored": 2, "already_there": 1, "rejected": 0, "dead_lettered": 0}'
    link = ScriptedLink(Opened(), Confirmed(("a",)), receipt("a", stored), receipt("a", stored))
    box = outbox(link, receipts="answers")
    box.send(message("a", rows=3))
    box.drain()
    assert box.total == Receipt(stored=2, already_there=1)
    assert link.events, "it stopped at the first answer"


def test_what_is_unanswered_goes_out_again_after_a_break() -> None:
    link = ScriptedLink(Opened(), Confirmed(("a",)), Lost("gone"), Opened(), Confirmed(("b",)))
    box = outbox(link)
    box.send(message("a"))
    box.send(message("b"))
    box.drain()
    assert link.sent == ["a", "b", "b"]


def test_a_refused_message_goes_out_again() -> None:
    link = ScriptedLink(Opened(), Refused(("a", "unknown")), Confirmed(("a",)))
    box = outbox(link)
    box.send(message("a"))
    box.drain()
    assert link.sent == ["a", "a"]


def test_sending_waits_while_the_window_is_full() -> None:
    link = ScriptedLink(Opened(), None, None, Confirmed(("a",)), Confirmed(("b",)))
    box = outbox(link, window=1)
    box.send(message("a"))
    box.send(message("b"))
    assert link.sent.index("b") > link.sent.index("a") and box.rows_answered >= 1


def test_why_nothing_moves_is_told_to_whoever_looks() -> None:
    seen: list[str | None] = []
    link = ScriptedLink(None, Opened(), Blocked(True), Blocked(False), Confirmed(("a",)))
    box = Outbox(
        cast(Link, link),
        window=1,
        patience=1,
        receipts=None,
        report=lambda b: seen.append(b.trouble),
    )
    box.send(message("a"))
    box.drain()
    assert seen == ["not connected yet", None, "RabbitMQ is short of memory or disk", None, None]


def test_a_message_nobody_wants_is_an_error() -> None:
    with pytest.raises(Unroutable, match="no queue for 'user_events'"):
        outbox(ScriptedLink(Opened(), Returned("a", "user_events"))).send(message("a"))
        outbox(ScriptedLink(Returned("a", "user_events"))).send(message("a"))


def test_patience_with_a_broker_ends() -> None:
    box = outbox(ScriptedLink(*[Lost("connection refused")] + [None] * 100_000))
    with pytest.raises(BrokerUnavailable, match="connection refused.*run the same import again"):
        box.send(message("a"))
        box.drain()


def test_a_refused_password_is_not_tried_again() -> None:
    with pytest.raises(BrokerUnavailable, match="RABBITMQ_URL.*password"):
        outbox(ScriptedLink(Lost("user or password refused", permanent=True))).send(message("a"))
