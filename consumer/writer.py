"""Writing a batch: good rows, rejected rows and what became of each, in one transaction."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timezone
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog

from consumer.batch import Parcel, dead_parcel
from consumer.blocks import COLUMNS, Block, block_of_values
from consumer.decoders import header_of
from consumer.ledger import find_receipts, record_imports, record_receipts
from consumer.letters import UNWRITABLE, letter_id, record_letters
from feeds.core.declaration import Feed
from feeds.core.rows import Rejected
from warehouse.errors import BrokenEnvironment, DatabaseUnavailable, WarehouseError
from warehouse.message import Delivery, Receipt, is_csv
from warehouse.postgres import (
    INGEST,
    Connection,
    Cursor,
    DuplicateKey,
    InvalidRow,
    copy_in,
    find_keys,
    insert_new,
    open_connection,
    savepoint,
    stage,
    storable,
    translated_errors,
)
from warehouse.queries import query

_DAY_RETRY = 60.0  # seconds
_DAYS_TAKE = 2.0  # seconds that a batch may spend on new days

log = structlog.get_logger()
T = TypeVar("T")
Entry = tuple[Parcel, Block]  # rows of one message on their way into a table

_REJECTED = "raw.rejected_events"
_REJECTED_COLUMNS = (
    *COLUMNS,
    "feed",
    "source",
    "payload",
    "code",
    "column_name",
    "error",
    "content_type",
    "header",
    "body",
)


class RawTables:
    """The raw tables, over a connection opened when it is needed and dropped when it broke."""

    def __init__(self, url: object) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._days: dict[tuple[str, date], float] = {}  # when to see to it that they are there

    def ping(self) -> None:
        """Make sure that the database answers. Raises as ``write`` does."""
        self._in_transaction(lambda cursor: cursor.execute("SELECT"))

    def write(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Write a batch in one transaction, and say what became of each parcel's rows.

        An event is stored once, however often it comes. A message of an import that comes again
        is known by its receipt, and gets the same.

        Raises:
            DatabaseUnavailable: nothing is written; the same batch may be written again.
            BrokenEnvironment: nothing is written, and nothing will be until somebody mends it.
        """
        try:
            self._add_days(parcels)
            return self._in_transaction(lambda cursor: _write(cursor, parcels))
        except (DatabaseUnavailable, BrokenEnvironment):
            raise
        except Exception as error:  # pylint: disable=broad-exception-caught
            # Something in a message that is not a row's: its neighbours must not wait for it.
            if len(parcels) == 1:
                return [self._give_up(parcels[0], error)]
            return [receipt for parcel in parcels for receipt in self.write([parcel])]

    def _give_up(self, parcel: Parcel, error: Exception) -> Receipt:
        """Make dead letters of what cannot be written in any other form."""
        reason = (
            f"it cannot be written: {error if isinstance(error, WarehouseError) else repr(error)}"
        )
        log.error("cannot be written", feed=parcel.delivery.feed, error=type(error).__name__)
        dead = [dead_parcel(delivery, UNWRITABLE, reason) for delivery in parcel.deliveries]
        return sum(self._in_transaction(lambda cursor: _write(cursor, dead)), Receipt())

    def _add_days(self, parcels: Sequence[Parcel]) -> None:
        """See to it that the days of a batch have their partitions, where nothing is in the way.

        Rows of more days than there is time for wait in the table of other days: a message with a
        row a day, for decades, must not hold up everybody.
        """
        days = {(p.feed.table, day) for p in parcels if p.feed for b in p.blocks for day in b.days}
        now = time.monotonic()
        for day in sorted(days):
            if time.monotonic() - now > _DAYS_TAKE:
                return
            if self._days.get(day, 0) <= now:
                is_there = self._in_transaction(partial(_add_day, *day))
                self._days[day] = math.inf if is_there else now + _DAY_RETRY

    def rehearse(self, feeds: Iterable[Feed]) -> None:
        """Write nothing to every table, to see that all could be written. Raises as ``write``."""

        def copy_nothing(cursor: Cursor) -> None:
            for feed in feeds:
                copy_in(cursor, feed.table, (*COLUMNS, *feed.columns), [])
            copy_in(cursor, _REJECTED, _REJECTED_COLUMNS, [])
            find_receipts(cursor, [(datetime.now(timezone.utc), "")])

        self._in_transaction(copy_nothing)

    def count_suspect(self, delivery: Delivery) -> int:
        """Count a delivery of a message that may end this process; how many there were.

        The count is dropped when the message has been written. Raises as ``write`` does.
        """

        def count(cursor: Cursor) -> int:
            cursor.execute(query("raw/suspect"), {"message_id": str(letter_id(delivery))})
            ((attempts,),) = cursor.fetchall()
            return int(attempts)

        return self._in_transaction(count)

    def _in_transaction(self, task: Callable[[Cursor], T]) -> T:
        try:
            if self._connection is None:
                self._connection = open_connection(self._url, "event-consumer", INGEST)
            with translated_errors(), self._connection, self._connection.cursor() as cursor:
                return task(cursor)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; what was not committed never was."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _add_day(table: str, day: date, cursor: Cursor) -> bool:
    """Whether the day of a raw table has its partition, now at the latest."""
    cursor.execute(query("raw/add_day"), {"table": table, "day": day})
    ((is_there,),) = cursor.fetchall()
    return bool(is_there)


def _write(cursor: Cursor, parcels: Sequence[Parcel]) -> list[Receipt]:
    known = find_receipts(cursor, [parcel.key for parcel in parcels if parcel.key is not None])
    new: dict[object, Parcel] = {}  # once each, in an order that all writers share
    for parcel in sorted(parcels, key=lambda p: (p.imported_at, p.delivery.first_line)):
        if parcel.key not in known:
            new.setdefault(parcel.key or id(parcel), parcel)
    receipts = dict(zip(new, _write_new(cursor, list(new.values()))))
    tracked = [(p, p.key, receipts[p.key]) for p in new.values() if p.key is not None]
    known |= record_receipts(cursor, tracked)
    _acquit(cursor, parcels)
    return [known[p.key] if p.key is not None else receipts[id(p)] for p in parcels]


def _acquit(cursor: Cursor, parcels: Sequence[Parcel]) -> None:
    """Forget that messages were suspects, now that they are handled."""
    suspects = [p.delivery for p in parcels if p.delivery.redeliveries]
    if suspects:
        cursor.execute(
            query("raw/acquit"),
            {"message_ids": [str(letter_id(delivery)) for delivery in suspects]},
        )


def _write_new(cursor: Cursor, parcels: Sequence[Parcel]) -> list[Receipt]:
    stored: Counter[int] = Counter()
    rejects = [(parcel, rejected) for parcel in parcels for rejected in parcel.rejected]
    for feed in sorted({p.feed for p in parcels if p.feed is not None}, key=lambda f: f.name):
        entries = [(p, block) for p in parcels if p.feed is feed for block in p.blocks]
        rejects += _store(cursor, feed, entries, stored)
    rejected = _store_rejects(cursor, rejects)
    record_letters(cursor, [parcel.letter for parcel in parcels if parcel.letter is not None])
    record_imports(cursor, [parcel for parcel in parcels if parcel.manifest is not None])
    return [_receipt(parcel, stored[id(parcel)], rejected[id(parcel)]) for parcel in parcels]


def _store(
    cursor: Cursor, feed: Feed, entries: Sequence[Entry], stored: Counter[int]
) -> list[tuple[Parcel, Rejected]]:
    """Store entries, and count them by parcel; the rows that PostgreSQL cannot store.

    Such a row is found by halving, so it costs a few small COPYs, not the batch.
    """
    if not entries:
        return []
    try:
        with savepoint(cursor):
            stored += _store_all(cursor, feed, entries)
            return []
    except InvalidRow as error:
        if len(entries) == 1 and len(entries[0][1]) == 1:
            parcel, block = entries[0]
            return [(parcel, Rejected(block.row(0), "database", None, str(error)))]
    return [refused for half in _halves(entries) for refused in _store(cursor, feed, half, stored)]


def _halves(entries: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[Entry]]:
    if len(entries) > 1:
        middle = len(entries) // 2
        return entries[:middle], entries[middle:]
    ((parcel, block),) = entries
    first, second = block.halves()
    return [(parcel, first)], [(parcel, second)]


def _store_all(cursor: Cursor, feed: Feed, entries: Sequence[Entry]) -> Counter[int]:
    """How many rows of each parcel are stored now that were not there before.

    Usually all are new, and one COPY into the table does it. Blocks that seem to be there already
    take the longer way, as all do if it turns out that one of the others has a known row too.
    """
    columns = (*COLUMNS, *feed.columns)
    known = _find_samples(cursor, feed, entries)
    new = [entry for entry in entries if known.isdisjoint(entry[1].samples)]
    doubtful = [entry for entry in entries if not known.isdisjoint(entry[1].samples)]
    try:
        with savepoint(cursor):
            if new:
                copy_in(cursor, feed.table, columns, [block.data for _, block in new])
    except DuplicateKey:
        new, doubtful = [], list(entries)
    counts = Counter({id(parcel): 0 for parcel, _ in entries})
    for parcel, block in new:
        counts[id(parcel)] += len(block)
    if doubtful:
        rows = [block.data for _, block in doubtful]
        ids = _bytes_of(insert_new(cursor, feed.table, columns, rows, feed.key))
        for parcel, block in doubtful:
            counts[id(parcel)] += len(ids.intersection(block.ids))
            ids.difference_update(block.ids)
    return counts


def _find_samples(cursor: Cursor, feed: Feed, entries: Sequence[Entry]) -> set[bytes]:
    """The ids, of those that stand for their blocks, that are there."""
    samples = {str(UUID(bytes=sample)) for _, block in entries for sample in block.samples}
    days = [day for _, block in entries for day in block.days]
    within = (feed.time_column, min(days), max(days)) if feed.time_column and days else None
    return _bytes_of(find_keys(cursor, feed.table, feed.key[0], list(samples), within))


def _bytes_of(ids: Iterable[str]) -> set[bytes]:
    return {UUID(found).bytes for found in ids}


def _store_rejects(cursor: Cursor, rejects: Sequence[tuple[Parcel, Rejected]]) -> Counter[int]:
    """How many rejects each parcel has; those that were rejected before count once more."""
    if not rejects:
        return Counter()
    blocks = [
        block_of_values([rejected.row], [_reject(parcel, rejected)], parcel.imported_at)
        for parcel, rejected in rejects
    ]
    try:
        stage(cursor, _REJECTED, _REJECTED_COLUMNS, [block.data for block in blocks])
    except InvalidRow as error:
        raise WarehouseError(f"{_REJECTED} cannot hold a rejected row: {error}") from None
    cursor.execute(query("raw/record_rejects"))
    return Counter(id(parcel) for parcel, _ in rejects)


def _reject(parcel: Parcel, rejected: Rejected) -> tuple[object, ...]:
    assert parcel.feed is not None
    payload = rejected.row.payload
    text = storable(payload.decode(errors="backslashreplace"))
    needs_header = is_csv(parcel.delivery.content_type)
    return (
        parcel.feed.name,
        storable(parcel.source),
        text,
        rejected.code,
        storable(rejected.column),
        storable(rejected.reason),
        storable(parcel.delivery.content_type),
        storable(header_of(parcel.delivery)) if needs_header else None,
        None if text is not None and text.encode() == payload else payload,
    )


def _receipt(parcel: Parcel, stored: int, rejected: int) -> Receipt:
    if parcel.letter is not None:
        return Receipt(dead_lettered=1)
    return Receipt(
        stored=stored,
        rejected=rejected,
        already_there=parcel.rows - stored - rejected,
    )
