"""The consumer's heart: take a batch, write it, acknowledge it, until told to stop."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from consumer.batch import Parcel, unpack
from consumer.writer import RawTables
from feeds.core.declaration import Feed
from warehouse.errors import WarehouseError
from warehouse.link_events import Lost, Opened
from warehouse.message import Delivery, Receipt
from warehouse.rabbitmq import Link

_IDLE = 1.0  # seconds between looks at the stop flag when nothing arrives
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0  # seconds between attempts to write

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """When a batch is written: at so many rows or messages, or so long after its first."""

    rows: int
    messages: int
    linger: float  # seconds


class Readiness:
    """A file that exists while the consumer is connected to both services."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._open = {"broker": False, "database": False}
        self._show()

    def note(self, service: str, is_open: bool) -> None:
        """Say that a service is connected, or is not."""
        if self._open[service] != is_open:
            self._open[service] = is_open
            self._show()

    def _show(self) -> None:
        if self._path is None:
            return
        if all(self._open.values()):
            self._path.touch()
        else:
            self._path.unlink(missing_ok=True)


class Service:
    """A running consumer."""

    def __init__(
        self,
        link: Link,
        tables: RawTables,
        feeds: Mapping[str, Feed],
        limits: Limits,
        readiness: Readiness,
    ) -> None:
        self._link = link
        self._tables = tables
        self._feeds = feeds
        self._limits = limits
        self._readiness = readiness
        # A plain flag: a signal handler that took an Event's lock could wait for itself.
        self._stopping = False

    def stop(self) -> None:
        """Finish the batch in hand and return from ``run``; may be called by a signal handler."""
        self._stopping = True
        self._link.wake()

    def run(self) -> None:
        """Consume until told to stop."""
        self._persist(self._tables.ping)
        while not self._stopping:
            batch = self._take_batch()
            if not batch:
                self._persist(self._tables.ping)  # so that readiness is true, and a write soon too
                continue
            started = time.monotonic()
            receipts = self._persist(partial(self._tables.write, batch))
            if receipts is None:
                return
            self._link.settle([(p.delivery, r) for p, r in zip(batch, receipts)])
            _log_batch(batch, receipts, time.monotonic() - started)

    def _take_batch(self) -> list[Parcel]:
        batch: list[Parcel] = []
        rows, deadline = 0, 0.0
        while rows < self._limits.rows and len(batch) < self._limits.messages:
            match self._link.next_event(max(0.0, deadline - time.monotonic()) if batch else _IDLE):
                case Delivery() as delivery:
                    if not batch:
                        deadline = time.monotonic() + self._limits.linger
                    batch.append(unpack(delivery, self._feeds))
                    rows += batch[-1].rows
                case Lost(reason):
                    batch.clear()  # these come again
                    rows = 0
                    self._readiness.note("broker", False)
                    log.warning("broker away", reason=reason)
                case Opened():
                    self._readiness.note("broker", True)
                    log.info("broker connected")
                case None:
                    break
        return batch

    def _persist(self, attempt: Callable[[], T]) -> T | None:
        """The result of an attempt on the database, repeated until it succeeds.

        None if told to stop meanwhile; a batch in hand is tried once all the same.
        """
        delay = _FIRST_DELAY
        while True:
            try:
                result = attempt()
                self._readiness.note("database", True)
                return result
            except WarehouseError as error:
                self._readiness.note("database", False)
                log.warning("database away", reason=str(error), retry_in_seconds=delay)
            self._pause(delay)
            if self._stopping:
                return None
            delay = min(delay * 2, _LONGEST_DELAY)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(0.1)


def _log_batch(batch: Sequence[Parcel], receipts: Sequence[Receipt], seconds: float) -> None:
    total = sum(receipts, Receipt())
    feeds = sorted({parcel.feed.name for parcel in batch if parcel.feed is not None})
    log.info(
        "batch written",
        feeds=",".join(feeds),
        messages=len(batch),
        stored=total.stored,
        rejected=total.rejected,
        already_there=total.already_there,
        dead_lettered=total.dead_lettered,
        seconds=round(seconds, 3),
    )
    for parcel in batch:
        if parcel.undecodable is not None:
            log.warning(
                "dead letter",
                feed=parcel.delivery.feed,
                message_id=parcel.delivery.message_id,
                reason=parcel.undecodable,
            )
