"""The consumer's heart: take a batch, write it, acknowledge it, until told to stop.

While one batch is written the next is taken: reading costs this process, writing the database.
"""

import faulthandler
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from consumer.batch import Parcel, dead_parcel, unpack, unpack_all
from consumer.letters import POISON
from consumer.writer import RawTables
from feeds.core.declaration import Feed
from warehouse.errors import BrokenEnvironment, DatabaseUnavailable, WarehouseError
from warehouse.link_events import Lost, Opened
from warehouse.message import Delivery, Receipt
from warehouse.rabbitmq import Link
from warehouse.settings import HANDLER_SECONDS, LONGEST_HOLD

_IDLE = 1.0  # seconds between looks at the stop flag when nothing arrives
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0  # seconds between attempts to write
_LONGEST_REPAIR = 300.0  # seconds between attempts while the environment is broken
_SUSPICIOUS = 2  # deliveries without an acknowledgement, after which a message is handled alone
_POISONOUS = 3  # times that a message handled alone may have ended a consumer

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """When a batch is complete: at so many bytes or messages, or so long after its first."""

    octets: int
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


@dataclass(frozen=True)
class _Writing:
    """A batch on its way into the database; the result is None if it was given up."""

    batch: Sequence[Parcel]
    result: Future[list[Receipt] | None]


class Service:
    """A running consumer."""

    def __init__(
        self,
        open_link: Callable[[], Link],
        tables: RawTables,
        feeds: Mapping[str, Feed],
        limits: Limits,
        readiness: Readiness,
    ) -> None:
        self._open_link = open_link
        self._tables = tables
        self._feeds = feeds
        self._limits = limits
        self._readiness = readiness
        self._link: Link | None = None
        self._suspect: Delivery | None = None  # waits until it can be handled alone
        self._repair_delay = _LONGEST_DELAY  # seconds; grows until something has been written
        # A plain flag: a signal handler that took an Event's lock could wait for itself.
        self._stopping = False

    def stop(self) -> None:
        """Finish the batch in hand and return from ``run``; may be called by a signal handler."""
        self._stopping = True
        if self._link is not None:
            self._link.wake()

    def run(self) -> None:
        """Consume until told to stop.

        What the database cannot take for long, or will not take until somebody mends it, goes
        back to the broker: the link is closed until a rehearsal of writing succeeds.
        """
        while not self._stopping:
            self._persist(partial(self._tables.rehearse, self._feeds.values()), patience=None)
            if self._stopping:
                return
            try:
                with self._open_link() as self._link:
                    self._consume(self._link)
            except WarehouseError as error:
                self._readiness.note("database", False)
                delay = self._repair_delay
                self._repair_delay = min(delay * 2, _LONGEST_REPAIR)
                log.error("intake stopped", reason=str(error), retry_in_seconds=delay)
                self._pause(delay)
            finally:
                self._readiness.note("broker", False)

    def _consume(self, link: Link) -> None:
        self._suspect = None
        writing: _Writing | None = None
        with ThreadPoolExecutor(1, "writer") as writer:
            while not self._stopping:
                batch, writing = self._take_batch(link, writing)
                if writing is not None:
                    self._settle(link, writing)
                    writing = None
                if batch:
                    attempt = partial(self._tables.write, batch)
                    result = writer.submit(self._persist, attempt)
                    result.add_done_callback(lambda _: link.wake())
                    writing = _Writing(batch, result)
                else:
                    self._persist(self._tables.ping)  # so that readiness is true
            if writing is not None:
                self._settle(link, writing)

    def _take_batch(
        self, link: Link, writing: _Writing | None
    ) -> tuple[list[Parcel], _Writing | None]:
        """The next batch, decoded, and what is being written if that was not done meanwhile."""
        taken: list[Delivery] = []
        octets, deadline = 0, time.monotonic() + _IDLE
        if self._suspect is not None and writing is None:
            return self._handle_alone(self._suspect), None
        limits = self._limits
        while not self._suspect and octets < limits.octets and len(taken) < limits.messages:
            wait = deadline - time.monotonic()
            if self._stopping or wait <= 0:
                break
            match link.next_event(wait):
                case Delivery() as delivery:
                    if delivery.headers and delivery.redeliveries >= _SUSPICIOUS:
                        self._suspect = delivery
                        break
                    if not taken:
                        deadline = time.monotonic() + self._limits.linger
                    taken.append(delivery)
                    octets += len(delivery.body)
                case Lost(reason):
                    taken.clear()  # these come again
                    octets, deadline = 0, time.monotonic() + _IDLE
                    self._suspect = None
                    self._readiness.note("broker", False)
                    log.warning("broker away", reason=reason)
                case Opened():
                    self._readiness.note("broker", True)
                    log.info("broker connected")
                case None if writing is not None and writing.result.done():
                    self._settle(link, writing)
                    writing = None
        with _watched():
            return unpack_all(taken, self._feeds), writing

    def _settle(self, link: Link, writing: _Writing) -> None:
        """Wait for what is being written, then acknowledge it; what was given up comes again."""
        receipts = writing.result.result()
        if receipts is None:
            return
        self._repair_delay = _LONGEST_DELAY
        link.settle([(d, r) for p, r in zip(writing.batch, receipts) for d in p.deliveries])
        _log_batch(writing.batch, receipts)

    def _handle_alone(self, delivery: Delivery) -> list[Parcel]:
        """A message that may have ended consumers, when all before it are out of harm's way.

        Its deliveries are counted where the count outlives this process. So a message that kills
        is set aside long before its innocent neighbours, delivered as often, reach a limit.
        """
        self._suspect = None
        attempts = self._persist(partial(self._tables.count_suspect, delivery))
        if attempts is None:
            return []
        if attempts > _POISONOUS:
            reason = f"{attempts - 1} deliveries of it alone have ended a consumer"
            log.error("poison", feed=delivery.feed, message_id=delivery.message_id)
            return [dead_parcel(delivery, POISON, reason)]
        with _watched():
            return [unpack(delivery, self._feeds)]

    def _persist(self, attempt: Callable[[], T], patience: float | None = LONGEST_HOLD) -> T | None:
        """The result of an attempt on the database, repeated until it succeeds.

        None if told to stop meanwhile; a batch in hand is tried once all the same.

        Raises:
            DatabaseUnavailable: it was away for longer than the patience, in seconds.
            BrokenEnvironment: it is there, but somebody has to mend it.
        """
        delay, started = _FIRST_DELAY, time.monotonic()
        while True:
            try:
                result = attempt()
                self._readiness.note("database", True)
                return result
            except (DatabaseUnavailable, BrokenEnvironment) as error:
                self._readiness.note("database", False)
                if patience is not None and (
                    isinstance(error, BrokenEnvironment) or time.monotonic() - started > patience
                ):
                    raise
                log.warning("database away", reason=str(error), retry_in_seconds=delay)
            self._pause(delay)
            if self._stopping:
                return None
            delay = min(delay * 2, _LONGEST_DELAY)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(0.1)


@contextmanager
def _watched() -> Iterator[None]:
    """Decoding that hangs ends this process, so that its messages are delivered again."""
    faulthandler.dump_traceback_later(HANDLER_SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _log_batch(batch: Sequence[Parcel], receipts: Sequence[Receipt]) -> None:
    total = sum(receipts, Receipt())
    log.info(
        "batch written",
        feeds=",".join(sorted({parcel.feed.name for parcel in batch if parcel.feed is not None})),
        messages=sum(len(parcel.deliveries) for parcel in batch),
        stored=total.stored,
        rejected=total.rejected,
        already_there=total.already_there,
        dead_lettered=total.dead_lettered,
    )
    for parcel in batch:
        if parcel.letter is not None:
            letter = parcel.letter
            message_id = letter.delivery.message_id
            log.warning("dead letter", feed=letter.feed, message_id=message_id, reason=letter.error)
