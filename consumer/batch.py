"""A batch: the deliveries that are written in one transaction, decoded and validated."""

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import structlog

from consumer.blocks import Block, block_of_rows
from consumer.decoders import Contents, UndecodableMessage, decode
from consumer.letters import POISON, UNDECODABLE, Letter, letter_from_broker, letter_of
from consumer.singles import can_be_together, read_singles
from feeds.core.columns import column_readers
from feeds.core.declaration import Feed
from feeds.core.rows import DEFECT, Accepted, Rejected, validate
from warehouse.message import (
    DEAD_LETTERS,
    IMPORTED_AT,
    REPLAY,
    ROWS,
    SOURCE,
    Delivery,
    Manifest,
)

_FEW = 8  # single events that it does not pay to read together

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery, or several that are handled as one, with the verdict on each row."""

    deliveries: Sequence[Delivery]
    feed: Feed | None  # None: undecodable
    imported_at: datetime
    blocks: list[Block] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    letter: Letter | None = None  # what it becomes if it cannot be handled
    manifest: Manifest | None = None

    @property
    def delivery(self) -> Delivery:
        """The one it is of; of several, the first."""
        return self.deliveries[0]

    @property
    def rows(self) -> int:
        """How many rows came with it."""
        return sum(map(len, self.blocks)) + len(self.rejected)

    @property
    def source(self) -> str | None:
        """The file it came from."""
        source = self.delivery.headers.get(SOURCE)
        return None if source is None else str(source)

    @property
    def key(self) -> tuple[datetime, str] | None:
        """What a message of an import is known by when it comes again; None: of no import."""
        headers, message_id = self.delivery.headers, self.delivery.message_id
        if self.manifest is not None or self.delivery.feed == DEAD_LETTERS:
            return None
        if IMPORTED_AT in headers and REPLAY not in headers and message_id:
            return self.imported_at, message_id.replace("\0", "")
        return None

    @property
    def claimed_rows(self) -> int:
        """How many rows its publisher says it has."""
        rows = self.delivery.number(ROWS)
        return rows if rows is not None and 0 <= rows < 2**31 else self.rows


def unpack_all(deliveries: Sequence[Delivery], feeds: Mapping[str, Feed]) -> list[Parcel]:
    """Decode and validate deliveries, single events together where that makes no difference."""
    alone: list[Delivery] = []
    together: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        feed = feeds.get(delivery.feed)
        if feed is not None and can_be_together(delivery) and column_readers(feed):
            together.setdefault(delivery.feed, []).append(delivery)
        else:
            alone.append(delivery)
    parcels = []
    now = datetime.now(timezone.utc)
    for name, singles in together.items():
        if len(singles) < _FEW:
            alone += singles
            continue
        try:
            block, taken, others = read_singles(feeds[name], singles, now)
        except Exception as error:  # pylint: disable=broad-exception-caught
            # A defect of ours that one of them has met: alone each of them has its own fate.
            _log_defect(error)
            block, taken, others = None, [], singles
        alone += others
        if block is not None:
            parcels.append(Parcel(taken, feeds[name], now, [block]))
    return parcels + [unpack(delivery, feeds) for delivery in alone]


def unpack(delivery: Delivery, feeds: Mapping[str, Feed]) -> Parcel:
    """Decode and validate one delivery; no input is an error here, each has its verdict."""
    imported_at = _imported_at(delivery)
    if delivery.problem is not None and delivery.feed != DEAD_LETTERS:
        return dead_parcel(delivery, UNDECODABLE, delivery.problem)
    if delivery.feed == DEAD_LETTERS:
        return Parcel([delivery], None, imported_at, letter=letter_from_broker(delivery))
    try:
        return _validated(delivery, decode(delivery, feeds, imported_at), imported_at)
    except UndecodableMessage as error:
        return dead_parcel(delivery, UNDECODABLE, str(error))
    except Exception as error:  # pylint: disable=broad-exception-caught
        # A defect of ours must not stop the others; the message waits for the mended version.
        _log_defect(error)
        return dead_parcel(delivery, POISON, f"the decoder failed: {type(error).__name__}")


def _log_defect(error: Exception) -> None:
    """The place alone: the error's own text may hold values."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    place = f"{frame.f_code.co_name}, line {line}"
    log.error("decoder failed", error=type(error).__name__, place=place)


def dead_parcel(delivery: Delivery, code: str, reason: str) -> Parcel:
    """The parcel of a delivery that is given up."""
    imported_at = _imported_at(delivery)
    return Parcel([delivery], None, imported_at, letter=letter_of(delivery, code, reason))


def _validated(delivery: Delivery, contents: Contents, imported_at: datetime) -> Parcel:
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    for row in contents.rows:
        verdict = validate(contents.feed, row)
        if isinstance(verdict, Accepted):
            accepted.append(verdict)
        else:
            rejected.append(verdict)
    blocks = [*contents.blocks, *_blocks_of(contents.feed, accepted, imported_at, rejected)]
    return Parcel(
        [delivery], contents.feed, imported_at, blocks, rejected, manifest=contents.manifest
    )


def _blocks_of(
    feed: Feed, accepted: Sequence[Accepted], imported_at: datetime, rejected: list[Rejected]
) -> Iterator[Block]:
    """Rows in the form that COPY takes; those that have none are added to the rejected."""
    try:
        if accepted:
            yield block_of_rows(feed, accepted, imported_at)
    except Exception as error:  # pylint: disable=broad-exception-caught
        # A value that the model let through and the raw table cannot have.
        if len(accepted) == 1:
            reason = f"cannot be written: {type(error).__name__}"
            rejected.append(Rejected(accepted[0].row, DEFECT, None, reason))
            return
        middle = len(accepted) // 2
        yield from _blocks_of(feed, accepted[:middle], imported_at, rejected)
        yield from _blocks_of(feed, accepted[middle:], imported_at, rejected)


def _imported_at(delivery: Delivery) -> datetime:
    """When the import of the file began; for a message of its own, now."""
    microseconds = delivery.number(IMPORTED_AT)
    seconds = time.time() if microseconds is None else microseconds / 1e6
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.now(timezone.utc)
