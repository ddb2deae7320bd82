"""Writing a batch: good rows, rejected rows and what became of each, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from consumer.batch import Parcel
from feeds.core.rows import Accepted, Rejected, Row
from warehouse.errors import WarehouseError
from warehouse.message import Receipt
from warehouse.postgres import (
    INGEST,
    Connection,
    Cursor,
    InvalidRow,
    insert_new,
    open_connection,
    savepoint,
    translated_errors,
)

T = TypeVar("T")

_REJECTED = "raw.rejected_events"
_REJECTED_COLUMNS = (
    "event_id",
    "imported_at",
    "line",
    "feed",
    "source",
    "payload",
    "code",
    "column_name",
    "error",
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row on its way into a table, and where it came from."""

    parcel: Parcel
    row: Row
    values: tuple[Any, ...]


class RawTables:
    """The raw tables, over a connection opened when it is needed and dropped when it broke."""

    def __init__(self, url: object) -> None:
        self._url = url
        self._connection: Connection | None = None

    def ping(self) -> None:
        """Make sure that the database answers. Raises as ``write`` does."""
        self._in_transaction(lambda cursor: cursor.execute("SELECT"))

    def write(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Write a batch in one transaction, and say what became of each parcel's rows.

        An event is stored once, however often it comes. One that comes again within its own
        import, because a message was delivered again, counts as stored, not as already there.

        Raises:
            WarehouseError: nothing is written; the same batch may be written again.
        """
        return self._in_transaction(lambda cursor: _write(cursor, parcels))

    def _in_transaction(self, task: Callable[[Cursor], T]) -> T:
        if self._connection is None:
            self._connection = open_connection(self._url, "event-consumer", INGEST)
        try:
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


def _write(cursor: Cursor, parcels: Sequence[Parcel]) -> list[Receipt]:
    stored: set[UUID] = set()
    rejects = [_reject(parcel, rejected) for parcel in parcels for rejected in parcel.rejected]
    for feed in {parcel.feed for parcel in parcels if parcel.feed is not None}:
        entries = [
            _Entry(parcel, accepted.row, accepted.values)
            for parcel in parcels
            if parcel.feed is feed
            for accepted in parcel.accepted
        ]
        columns = ("event_id", "imported_at", "line", *feed.columns)
        ids, refused = _store(cursor, feed.table, columns, entries)
        stored |= ids
        rejects += [
            _reject(entry.parcel, Rejected(entry.row, "database", None, reason))
            for entry, reason in refused
        ]
    rejected, lost = _store(cursor, _REJECTED, _REJECTED_COLUMNS, rejects)
    if lost:
        raise WarehouseError(f"{_REJECTED} cannot hold a rejected row: {lost[0][1]}")
    return [_receipt(parcel, stored, rejected) for parcel in parcels]


def _store(
    cursor: Cursor, table: str, columns: Sequence[str], entries: list[_Entry]
) -> tuple[set[UUID], list[tuple[_Entry, str]]]:
    """Store entries; the ids that this import stored, and the entries PostgreSQL cannot store.

    One that it cannot store is found by halving, so it costs a few small COPYs, not the batch.
    """
    if not entries:
        return set(), []
    try:
        with savepoint(cursor):
            return _store_all(cursor, table, columns, entries), []
    except InvalidRow as error:
        if len(entries) == 1:
            return set(), [(entries[0], str(error))]
    middle = len(entries) // 2
    ids, refused = _store(cursor, table, columns, entries[:middle])
    more_ids, more_refused = _store(cursor, table, columns, entries[middle:])
    return ids | more_ids, refused + more_refused


def _store_all(
    cursor: Cursor, table: str, columns: Sequence[str], entries: list[_Entry]
) -> set[UUID]:
    rows = [
        (entry.row.event_id, entry.parcel.imported_at, entry.row.line, *entry.values)
        for entry in entries
    ]
    if insert_new(cursor, table, columns, rows, "event_id"):
        return {entry.row.event_id for entry in entries}
    cursor.execute(
        f"SELECT event_id::text FROM {table} INNER JOIN staged USING (event_id, imported_at)"
    )
    return {UUID(event_id) for event_id, in cursor}


def _reject(parcel: Parcel, rejected: Rejected) -> _Entry:
    assert parcel.feed is not None
    texts = (
        parcel.feed.name,
        parcel.source,
        rejected.row.payload.decode(errors="backslashreplace"),
        rejected.code,
        rejected.column,
        rejected.reason,
    )
    return _Entry(parcel, rejected.row, tuple(map(_storable, texts)))


def _storable(text: str | None) -> str | None:
    """A text with what PostgreSQL cannot store written out; a sender chose much of it."""
    if text is None:
        return None
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def _receipt(parcel: Parcel, stored: set[UUID], rejected: set[UUID]) -> Receipt:
    if parcel.undecodable is not None:
        return Receipt(dead_lettered=1)
    rows: list[Accepted | Rejected] = [*parcel.accepted, *parcel.rejected]
    n_stored = sum(1 for verdict in rows if verdict.row.event_id in stored)
    n_rejected = sum(1 for verdict in rows if verdict.row.event_id in rejected)
    return Receipt(
        stored=n_stored,
        rejected=n_rejected,
        already_there=len(rows) - n_stored - n_rejected,
    )
