"""Publishing the rows of files, and waiting for what becomes of them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from feeds.core.declaration import Feed
from producer.encoding import bulk_messages, event_messages, with_manifest
from producer.progress import ProgressDisplay
from producer.sources import Source, check_readable, open_source
from warehouse.errors import SourceError, WarehouseError
from warehouse.message import Message, Receipt, new_receipts_queue
from warehouse.outbox import Outbox
from warehouse.rabbitmq import Link
from warehouse.settings import settings

_WINDOW_EVENTS = 2000  # messages of one event that may be on their way at once


@dataclass(frozen=True)
class Options:
    """How files are published."""

    per_event: bool = False  # one message a row, as JSON
    rate: float | None = None  # at most so many rows a second
    waits: bool = True  # for the consumer's word, or only for the broker's


@dataclass(frozen=True)
class Published:
    """What became of the rows."""

    rows: int
    total: Receipt | None  # of the consumer; None: nobody has waited for it
    seconds: float
    broken: tuple[SourceError, ...]  # why files were not read to their ends; what came before is in
    by_source: Mapping[str, Receipt]  # the consumer's word, by file

    def complain(self) -> None:
        """Raise what a person has to see to, a line each.

        Raises:
            SourceError: files could not be read to their ends.
            WarehouseError: messages could not be handled, or no row of a file was stored.
        """
        wrong = [*map(str, self.broken), *self._unstored()]
        if wrong:
            raise (SourceError if self.broken else WarehouseError)("\nerror: ".join(wrong))

    def _unstored(self) -> Iterator[str]:
        for source, found in self.by_source.items():
            if found.dead_lettered:
                what = f"{found.dead_lettered:,} of its messages could not be handled, nor stored"
            elif found.rejected and not found.stored + found.already_there:
                what = f"none of its {found.rejected:,} rows was stored"
            else:
                continue
            yield f"{source}: {what}: make rejects says why"

    def __str__(self) -> str:
        timing = f"{self.seconds:.1f} s, {self.rows / max(self.seconds, 0.001):,.0f} rows/s"
        if self.total is None:
            return f"{self.rows:,} rows published ({timing})"
        said = (
            f"{self.rows:,} rows read: {self.total.stored:,} stored, "
            f"{self.total.rejected:,} rejected, {self.total.already_there:,} already there"
            f" ({timing})"
        )
        if self.total.rejected:
            said += "\n  why they were rejected: make rejects, or the table raw.rejected_events"
        return said


def publish(feed: Feed, paths: Sequence[str], options: Options = Options()) -> Published:
    """Publish files, one after the other, until each row has its answer.

    A file that turns out to be broken keeps none of the others back.

    Raises:
        SourceError: one of the files cannot be read; nothing has been published.
        BrokerUnavailable: RabbitMQ was away for longer than the patience.
        Unroutable: it has no queue for the feed.
    """
    check_readable(paths)
    config = settings()
    receipts = new_receipts_queue() if options.waits else None
    with (
        ProgressDisplay(feed.name, waits_for_consumer=options.waits) as progress,
        Link(str(config.rabbitmq_url), "event-producer", [feed.name], receipts=receipts) as link,
    ):
        outbox = Outbox(
            link,
            window=_WINDOW_EVENTS if options.per_event else config.window_messages,
            patience=config.patience_seconds,
            receipts=receipts,
            report=progress.update,
        )
        broken: list[SourceError] = []
        for message in _paced(_messages(feed, paths, options, broken), options.rate):
            outbox.send(message)
        outbox.drain()
        total = outbox.total if options.waits else None
        of_files = outbox.by_source if options.waits else {}
        return Published(outbox.rows_answered, total, progress.seconds, tuple(broken), of_files)


def _messages(
    feed: Feed, paths: Sequence[str], options: Options, broken: list[SourceError]
) -> Iterator[Message]:
    started = time.time_ns() // 1000
    for imported_at, path in enumerate(paths, started):
        try:
            with open_source(path, feed) as source:
                yield from _messages_of(feed, source, options, imported_at)
        except SourceError as error:
            broken.append(error)


def _messages_of(
    feed: Feed, source: Source, options: Options, imported_at: int
) -> Iterator[Message]:
    if options.per_event:
        messages = event_messages(feed, source, imported_at)
    else:
        chunk_rows = settings().chunk_rows
        rows = min(chunk_rows, max(1, int(options.rate or chunk_rows)))
        messages = bulk_messages(feed, source, imported_at, rows)
    return with_manifest(feed, source, imported_at, messages)


def _paced(messages: Iterator[Message], rate: float | None) -> Iterator[Message]:
    """The same messages, held back so that no more than ``rate`` rows go out in a second."""
    due = time.monotonic()
    for message in messages:
        if rate is not None:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1) + message.rows / rate
        yield message
