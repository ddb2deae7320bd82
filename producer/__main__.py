"""``python -m producer``: publish the rows of files as events."""

import os
import time
from argparse import Namespace
from collections.abc import Iterator

from feeds import FEEDS, feed_named
from feeds.core.declaration import Feed
from producer.encoding import bulk_messages, event_messages, with_manifest
from producer.progress import ProgressDisplay
from producer.sources import check_readable, open_source
from warehouse.entry import Parser, run_command
from warehouse.errors import SourceError, UsageError
from warehouse.message import Message
from warehouse.outbox import Outbox
from warehouse.rabbitmq import Link
from warehouse.settings import settings

_WINDOW_EVENTS = 2000  # messages of one event that may be on their way at once


def main() -> None:
    """Run the command line."""
    run_command(_publish)


def _arguments() -> Namespace:
    parser = Parser(prog="python -m producer", description="Publish the rows of files as events.")
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="CSV, TSV or JSON file, .gz too; - is stdin"
    )
    queued = [feed.name for feed in FEEDS.values() if feed.queued]
    parser.add_argument("--feed", default="user_events", help=f"one of {', '.join(queued)}")
    parser.add_argument("--per-event", action="store_true", help="one message a row, as JSON")
    parser.add_argument("--rate", type=float, help="at most so many rows a second")
    parser.add_argument(
        "--no-wait", action="store_true", help="return when the broker has everything"
    )
    arguments = parser.parse_args()
    if arguments.rate is not None and arguments.rate <= 0:
        raise UsageError("--rate: a number of rows a second greater than 0")
    return arguments


def _publish() -> None:
    arguments = _arguments()
    feed = feed_named(arguments.feed)
    if not feed.queued:
        raise UsageError(f"{feed.name} do not go through the queue; run make import without FEED")
    check_readable(arguments.sources)
    config = settings()
    receipts = None if arguments.no_wait else f"receipts.{time.time_ns()}.{os.getpid()}"
    with (
        ProgressDisplay(feed.name, waits_for_consumer=receipts is not None) as progress,
        Link(str(config.rabbitmq_url), "event-producer", [feed.name], receipts=receipts) as link,
    ):
        outbox = Outbox(
            link,
            window=_WINDOW_EVENTS if arguments.per_event else config.window_messages,
            patience=config.patience_seconds,
            receipts=receipts,
            report=progress.update,
        )
        broken: SourceError | None = None
        try:
            for message in _paced(_messages(arguments, feed, config.chunk_rows), arguments.rate):
                outbox.send(message)
        except SourceError as error:  # what came before it is good: it goes in, and is told of
            broken = error
        outbox.drain()
        if broken is None or outbox.rows_answered:
            _print_summary(feed, outbox, progress.seconds, receipts is not None)
    if broken is not None:
        raise broken


def _messages(arguments: Namespace, feed: Feed, chunk_rows: int) -> Iterator[Message]:
    started = time.time_ns() // 1000
    for number, path in enumerate(arguments.sources):
        with open_source(path, feed) as source:
            if arguments.per_event:
                messages = event_messages(feed, source, started + number)
            else:
                rows = min(chunk_rows, max(1, int(arguments.rate or chunk_rows)))
                messages = bulk_messages(feed, source, started + number, rows)
            yield from with_manifest(feed, source, started + number, messages)


def _paced(messages: Iterator[Message], rate: float | None) -> Iterator[Message]:
    """The same messages, held back so that no more than ``rate`` rows go out in a second."""
    due = time.monotonic()
    for message in messages:
        if rate is not None:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1) + message.rows / rate
        yield message


def _print_summary(feed: Feed, outbox: Outbox, seconds: float, received: bool) -> None:
    rate = outbox.rows_answered / max(seconds, 0.001)
    timing = f"{seconds:.1f} s, {rate:,.0f} rows/s"
    if not received:
        print(f"{feed.name}: {outbox.rows_answered:,} rows published ({timing})")
        return
    total = outbox.total
    print(
        f"{feed.name}: {outbox.rows_answered:,} rows read: {total.stored:,} stored, "
        f"{total.rejected:,} rejected, {total.already_there:,} already there ({timing})"
    )
    if total.rejected:
        print("  why they were rejected: make rejects, or the table raw.rejected_events")
    if total.dead_lettered:
        print(f"  {total.dead_lettered:,} messages could not be handled: make rejects")


if __name__ == "__main__":
    main()
