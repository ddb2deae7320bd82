"""``python -m consumer``: write the events of all feeds to their raw tables until told to stop."""

import signal
from contextlib import closing

import structlog

from consumer.service import Limits, Readiness, Service
from consumer.writer import RawTables
from feeds import FEEDS
from warehouse.entry import Parser, run_command
from warehouse.logging import configure_logging
from warehouse.rabbitmq import Link
from warehouse.settings import settings, without_password


def main() -> None:
    """Run the command line."""
    run_command(_consume)


def _consume() -> None:
    Parser(
        prog="python -m consumer",
        description="Write events to raw tables; SIGTERM finishes the batch in hand.",
    ).parse_args()
    config = settings()
    configure_logging(config)
    structlog.get_logger().info(
        "consumer starts",
        database=without_password(config.database_url),
        broker=without_password(config.rabbitmq_url),
    )
    queued = {name: feed for name, feed in FEEDS.items() if feed.queued}
    limits = Limits(config.batch_rows, config.prefetch, config.batch_linger_ms / 1000)
    link = Link(str(config.rabbitmq_url), "event-consumer", list(queued), prefetch=config.prefetch)
    with link, closing(RawTables(config.database_url)) as tables:
        service = Service(link, tables, queued, limits, Readiness(config.ready_file))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        service.run()


if __name__ == "__main__":
    main()
