"""A link on its own: what it leaves behind."""

import socket
from collections.abc import Iterator

import pytest

from warehouse.link_events import Lost
from warehouse.rabbitmq import Link


@pytest.fixture(name="silent_broker")
def _silent_broker() -> Iterator[socket.socket]:
    """It takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def test_a_link_left_while_it_connects_hangs_up(silent_broker: socket.socket) -> None:
    port = silent_broker.getsockname()[1]
    with Link(f"amqp://me:secret@127.0.0.1:{port}/", "test", []):
        peer, _ = silent_broker.accept()
        peer.settimeout(10)
        assert peer.recv(8) == b"AMQP\x00\x00\x09\x01"
    with peer:
        assert peer.recv(1) == b"", "it is still connected"


def test_a_broker_that_never_answers_is_said_in_plain_words(silent_broker: socket.socket) -> None:
    port = silent_broker.getsockname()[1]
    with Link(f"amqp://me:secret@127.0.0.1:{port}/?stack_timeout=0.2", "test", []) as link:
        assert link.next_event(10) == Lost("it takes connections, but does not answer")
