"""The link to a real broker: what it tells, and that it comes back."""

import gc
import inspect
import os
import time
import warnings

import pytest
from pika.adapters.utils import io_services_utils

from tests.integration.conftest import Broker, eventually
from warehouse.link_events import Confirmed, Event, Lost, Opened, Returned
from warehouse.message import JSON, Delivery, Message, Receipt, queue_of
from warehouse.rabbitmq import Link


def link(feed: str = "user_events", prefetch: int = 0) -> Link:
    return Link(os.environ["RABBITMQ_URL"], "test", [feed], prefetch=prefetch)


def next_of(found: Link, *kinds: type[object]) -> Event:
    """The next event of these kinds."""
    for _ in range(100):
        event = found.next_event(0.5)
        if isinstance(event, kinds):
            return event
    raise AssertionError(f"no {kinds}")


def message(name: str, feed: str = "user_events") -> Message:
    return Message(feed, name, JSON, b"{}")


def test_a_message_that_no_queue_wants_comes_back(broker: Broker) -> None:
    assert broker
    with link() as found:
        next_of(found, Opened)
        found.publish([message("lost", feed="nobody")])
        assert next_of(found, Returned) == Returned("lost", "nobody")


def test_every_message_of_a_window_is_confirmed(broker: Broker) -> None:
    names = [str(number) for number in range(500)]
    with link() as found:
        next_of(found, Opened)
        found.publish(map(message, names))
        confirmed: list[str] = []
        while len(confirmed) < len(names):
            event = next_of(found, Confirmed)
            assert isinstance(event, Confirmed)
            confirmed += event.message_ids
    assert sorted(confirmed) == sorted(names)
    assert broker.depth(queue_of("user_events")) == 500


def test_a_queue_deleted_under_a_consumer_is_declared_again(broker: Broker) -> None:
    with link(prefetch=10) as found:
        next_of(found, Opened)
        eventually(lambda: broker.depth(queue_of("user_events")) == 0)
        broker.empty()
        lost = next_of(found, Lost)
        assert isinstance(lost, Lost) and "cancelled" in lost.reason
        next_of(found, Opened)
        found.publish([message("again")])
        assert isinstance(next_of(found, Delivery), Delivery)


def test_what_is_not_settled_comes_again_and_what_is_settled_does_not(broker: Broker) -> None:
    with link(prefetch=10) as first:
        next_of(first, Opened)
        first.publish([message("settled"), message("left")])
        deliveries = [next_of(first, Delivery) for _ in range(2)]
        settled = [d for d in deliveries if isinstance(d, Delivery) and d.message_id == "settled"]
        first.settle([(settled[0], Receipt(stored=1))])
    eventually(lambda: broker.depth(queue_of("user_events")) == 1)
    with link(prefetch=10) as second:
        again = next_of(second, Delivery)
        assert isinstance(again, Delivery) and again.message_id == "left"
        second.settle([(settled[0], Receipt())])  # of a channel that is gone: nothing happens
        second.settle([(again, Receipt(stored=1))])
    eventually(lambda: broker.depth(queue_of("user_events")) == 0)


def test_a_queue_of_another_kind_is_said_and_not_silently_used(broker: Broker) -> None:
    broker.declare_classic(queue_of("user_events"))
    with link() as found:
        lost = next_of(found, Lost)
        assert isinstance(lost, Lost) and "inequivalent arg" in lost.reason
    broker.empty()


@pytest.mark.parametrize("refused", [False, True])
def test_a_link_left_at_any_moment_leaves_no_socket_behind(broker: Broker, refused: bool) -> None:
    if refused:  # its first connection is then closed by itself
        broker.declare_classic(queue_of("user_events"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        for milliseconds in range(40):
            with link():
                time.sleep(milliseconds / 1000)
        gc.collect()
    broker.empty()
    assert [str(warning.message) for warning in warned] == []


def test_pika_reads_at_once_what_it_is_told_to() -> None:
    assert "recv(self._sock, self._MAX_RECV_BYTES)" in inspect.getsource(io_services_utils)
