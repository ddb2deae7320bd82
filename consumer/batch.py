"""A batch: the deliveries that are written in one transaction, decoded and validated."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from consumer.decoders import UndecodableMessage, decode
from feeds.core.declaration import Feed
from feeds.core.rows import Accepted, Rejected, validate
from warehouse.message import IMPORTED_AT, SOURCE, Delivery


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery with the verdict on each of its rows."""

    delivery: Delivery
    feed: Feed | None  # None: undecodable
    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    imported_at: datetime = datetime.min
    source: str | None = None
    undecodable: str | None = None  # why

    @property
    def rows(self) -> int:
        """How many rows came with it."""
        return len(self.accepted) + len(self.rejected)


def unpack(delivery: Delivery, feeds: Mapping[str, Feed]) -> Parcel:
    """Decode and validate one delivery; no input is an error here, each has its verdict."""
    try:
        feed, rows = decode(delivery, feeds)
    except UndecodableMessage as error:
        return Parcel(delivery, None, undecodable=str(error))
    source = delivery.headers.get(SOURCE)
    parcel = Parcel(
        delivery,
        feed,
        imported_at=_imported_at(delivery),
        source=str(source) if source is not None else None,
    )
    for row in rows:
        verdict = validate(feed, row)
        if isinstance(verdict, Accepted):
            parcel.accepted.append(verdict)
        else:
            parcel.rejected.append(verdict)
    return parcel


def _imported_at(delivery: Delivery) -> datetime:
    """When the import of the file began; for a message of its own, now."""
    microseconds = delivery.headers.get(IMPORTED_AT)
    seconds = microseconds / 1e6 if isinstance(microseconds, int) else time.time()
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.now(timezone.utc)
