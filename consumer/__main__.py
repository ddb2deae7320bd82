"""``python -m consumer``: write the events of all feeds to their raw tables until told to stop."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial

import structlog

from consumer.service import Limits, Readiness, Service
from consumer.writer import RawTables
from feeds import FEEDS
from warehouse.entry import Parser, run_command
from warehouse.logging import configure_logging
from warehouse.rabbitmq import Link
from warehouse.settings import settings, without_password

_SWITCH_SECONDS = 0.001
_STOP_SECONDS = 8.0  # for the batch in hand; Docker kills after 10

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 256 * 2**20  # bytes
_LARGEST_SHARED = 32 * 2**20  # bytes, and the most that glibc allows


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
    limits = Limits(config.batch_bytes, config.prefetch, config.batch_linger_ms / 1000)
    open_link = partial(
        Link, str(config.rabbitmq_url), "event-consumer", list(queued), prefetch=config.prefetch
    )
    # Three threads share the interpreter: one decodes, the others mostly wait for sockets, and
    # must not wait for the default 5 ms each time they come back.
    sys.setswitchinterval(_SWITCH_SECONDS)
    _keep_freed_memory()
    with closing(RawTables(config.database_url)) as tables:
        service = Service(open_link, tables, queued, limits, Readiness(config.ready_file))
        stop_on_signals(service.stop)
        service.run()


def _keep_freed_memory() -> None:
    """Let the next batch have the last one's memory. By default glibc hands it back to the kernel,
    and gets it again page by page, each of them cleared."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_SHARED)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Stop in good order on the first SIGTERM or SIGINT; at once on the second, or when it takes
    too long. At once is safe: what was not acknowledged comes again, and is recognised."""

    def give_up() -> None:
        os.write(2, b"stopped at once; what was in hand comes again\n")
        os._exit(0)

    def first(*_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: give_up())
        timer = threading.Timer(_STOP_SECONDS, give_up)
        timer.daemon = True
        timer.start()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, first)


if __name__ == "__main__":
    main()
