"""The one package that knows pika: a link that comes back by itself, and a look at the broker."""

from warehouse.rabbitmq.link import Link

__all__ = ["Link"]
