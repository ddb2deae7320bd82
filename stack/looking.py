"""A plain look at RabbitMQ, past our own link to it: for tests and measurements."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika


@contextmanager
def channel() -> Iterator[Any]:
    """A channel of pika's, on a connection of its own."""
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"]))
    try:
        yield connection.channel()
    finally:
        connection.close()
