"""A plain look at RabbitMQ, past our own link to it: for tests and measurements."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika

from warehouse.rabbitmq.parameters import connection_parameters


@contextmanager
def channel() -> Iterator[Any]:
    """A channel of pika's, on a connection of its own."""
    connection = pika.BlockingConnection(connection_parameters(os.environ["RABBITMQ_URL"], "tests"))
    try:
        yield connection.channel()
    finally:
        connection.close()
