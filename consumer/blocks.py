"""Blocks: rows of one message in the very form in which COPY takes them.

A block is made either of many rows at once, from columns, or of rows that the model has accepted
one by one. What a block says of its rows, beside their form, is what a reject would have to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from itertools import accumulate
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from feeds.core.columns import Columns, Sheet, object_columns, windows
from feeds.core.declaration import Feed
from feeds.core.rows import VARIANT_OCTET, VERSION_OCTET, Accepted, Row, identity_seed
from warehouse.copy_format import EPOCH, JSONB_VERSION, encode_row, instant_to_number

COLUMNS = ("event_id", "imported_at", "line")  # what ingestion adds, ahead of a feed's columns

_UNIX = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_MICROSECONDS = instant_to_number(_UNIX)
_EPOCH_DAYS = (_UNIX - EPOCH).days


@dataclass(frozen=True)
class Block:
    """Encoded rows; ``offsets`` says where each begins, and at last where they end."""

    data: bytes
    offsets: Sequence[int]
    packed_ids: bytes
    lines: Sequence[int]
    payloads: Sequence[bytes]
    days: frozenset[date] = frozenset()  # the UTC days of its events, at least, if they have any

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def ids(self) -> list[bytes]:
        """The event_id of each row."""
        return [self.packed_ids[n : n + 16] for n in range(0, len(self.packed_ids), 16)]

    @property
    def samples(self) -> tuple[bytes, bytes]:
        """The ids of the first and the last row: where both are new, most likely all are."""
        return self.packed_ids[:16], self.packed_ids[-16:]

    def halves(self) -> tuple["Block", "Block"]:
        """The same rows as two blocks."""
        middle = len(self) // 2
        return self._part(0, middle), self._part(middle, len(self))

    def row(self, index: int) -> Row:
        """What a reject of this row would have to say."""
        event_id = UUID(bytes=self.packed_ids[16 * index : 16 * index + 16])
        return Row(int(self.lines[index]), self.payloads[index], event_id, {})

    def _part(self, start: int, end: int) -> "Block":
        first = self.offsets[start]
        return Block(
            self.data[first : self.offsets[end]],
            [offset - first for offset in self.offsets[start : end + 1]],
            self.packed_ids[16 * start : 16 * end],
            self.lines[start:end],
            self.payloads[start:end],
            self.days,
        )


def block_of_rows(feed: Feed, accepted: Sequence[Accepted], imported_at: datetime) -> Block:
    """A block of rows that the model has accepted."""
    rows = [a.row for a in accepted]
    block = block_of_values(rows, [a.values for a in accepted], imported_at)
    if feed.time_column is None:
        return block
    place = feed.columns.index(feed.time_column)
    return replace(block, days=frozenset(_day_of(a.values[place]) for a in accepted))


def _day_of(instant: Any) -> date:
    if isinstance(instant, datetime):
        return instant.astimezone(timezone.utc).date()
    assert isinstance(instant, date)
    return instant


def block_of_values(
    rows: Sequence[Row], values: Sequence[tuple[object, ...]], imported_at: datetime
) -> Block:
    """A block of rows with the values of the columns that follow ingestion's own."""
    encoded = [
        encode_row((row.event_id, imported_at, row.line, *others))
        for row, others in zip(rows, values)
    ]
    return Block(
        b"".join(encoded),
        [0, *accumulate(map(len, encoded))],
        b"".join(row.event_id.bytes for row in rows),
        [row.line for row in rows],
        [row.payload for row in rows],
    )


def block_of_columns(
    feed: Feed,
    columns: Columns,
    *,
    lines: Sequence[int],
    payloads: Sequence[bytes],
    imported_at: datetime,
    ids: NDArray[np.uint8] | None = None,
) -> Block:
    """A block of rows that were read by columns, all of them good.

    Args:
        lines: the number of each row.
        payloads: its bytes.
        ids: its event_id, if that does not follow from the others.
    """
    place = feed.columns.index(feed.time_column) if feed.time_column else None
    instants = None if place is None else columns.values[place]
    if ids is None:
        ids = _identify(feed, lines, payloads, instants)
    heads = _heads(len(COLUMNS) + len(columns.values), ids, imported_at, lines)
    data, offsets = _assemble(heads, columns, object_columns(feed))
    return Block(data, offsets, ids.tobytes(), lines, payloads, _days_of(instants))


def _days_of(instants: NDArray[Any] | None) -> frozenset[date]:
    if instants is None:
        return frozenset()
    return frozenset(np.unique(instants.astype("datetime64[D]")).tolist())


def _identify(
    feed: Feed, lines: Sequence[int], payloads: Sequence[bytes], instants: NDArray[Any] | None
) -> NDArray[np.uint8]:
    """``feeds.core.rows.identify`` for many rows."""
    seeds = map(identity_seed(feed).__add__, lines)
    digests = b"".join(map(xxh3_128_digest, payloads, seeds))
    ids = np.frombuffer(bytearray(digests), np.uint8).reshape(-1, 16)
    milliseconds = np.zeros(len(ids), ">i8")
    if instants is not None:
        milliseconds[:] = np.maximum(instants.astype("datetime64[ms]").astype(np.int64), 0)
    ids[:, :6] = milliseconds.view(np.uint8).reshape(-1, 8)[:, 2:]
    ids[:, 6] = ids[:, 6] & 0x0F | VERSION_OCTET
    ids[:, 8] = ids[:, 8] & 0x3F | VARIANT_OCTET
    return ids


def _heads(
    fields: int, ids: NDArray[np.uint8], imported_at: datetime, lines: Sequence[int]
) -> NDArray[np.uint8]:
    """What each row begins with: the count of its fields, and the columns of ingestion."""
    first = Row(0, b"", UUID(int=0), {})
    head = bytearray(encode_row((first.event_id, imported_at, first.line)))
    head[:2] = fields.to_bytes(2, "big")
    heads = np.tile(np.frombuffer(head, np.uint8), (len(ids), 1))
    heads[:, 6:22] = ids
    heads[:, -8:] = np.asarray(lines, ">i8").view(np.uint8).reshape(-1, 8)
    return heads


def _assemble(
    heads: NDArray[np.uint8], columns: Columns, objects: frozenset[int]
) -> tuple[bytes, list[int]]:
    """Rows of a head and then each column: its length in four bytes, its bytes.

    JSON ``objects`` have a byte more, the version of their form, ahead of their text.

    A column of texts is copied in one width for all rows, so shorter ones take with them what
    follows in their source. That garbage is overwritten by the columns to the right, which come
    after, by lengths and numbers, which come after these, and beyond the end of the row by the
    head of the next, which is longer than the width and comes last.
    """
    numbers = [None if found is None else _big_endian(found) for found in columns.values]
    lengths = columns.sheet.lengths.copy()
    for place, number in enumerate(numbers):
        if number is not None:
            lengths[:, place] = number.shape[1]
        elif place in objects:
            lengths[:, place] += lengths[:, place] > 0
    ends = np.cumsum(lengths + 4, axis=1)
    offsets = np.concatenate(([0], np.cumsum(heads.shape[1] + ends[:, -1])))
    places = offsets[:-1, None] + heads.shape[1] + ends - lengths  # where each value begins
    out = np.empty(offsets[-1] + heads.shape[1], np.uint8)
    for place, number in enumerate(numbers):
        if number is None:
            version = (lengths[:, place] > 0) & (place in objects)
            texts = places[:, place] + version
            _write_texts(out, texts, columns.sheet, place, heads.shape[1])
    for place, number in enumerate(numbers):
        nulls = (lengths[:, place] == 0) & (number is None)
        told = _big_endian(np.where(nulls, -1, lengths[:, place]), ">i4")
        _write(out, places[:, place] - 4, told)
        if place in objects:
            out[places[~nulls, place]] = JSONB_VERSION[0]
        if number is not None:
            _write(out, places[:, place], number)
    _write(out, offsets[:-1], heads)
    return out[: offsets[-1]].tobytes(), offsets.tolist()


def _write_texts(
    out: NDArray[np.uint8], places: NDArray[np.int64], sheet: Sheet, column: int, widest: int
) -> None:
    """Write a column of texts; what is longer than the widest is copied one by one."""
    lengths = sheet.lengths[:, column]
    width = int(min(lengths.max(), widest))
    if width:
        _write(out, places, sheet.heads(column, width))
    for row in np.flatnonzero(lengths > widest).tolist():
        start, place, length = sheet.starts[row, column], places[row], lengths[row]
        rest = sheet.buffer[start + widest : start + length]
        out[place + widest : place + length] = rest


def _big_endian(values: NDArray[Any], form: str = "") -> NDArray[np.uint8]:
    """Numbers as PostgreSQL sends them, a row of bytes each."""
    if values.dtype == "datetime64[us]":
        values, form = values.astype(np.int64) + _EPOCH_MICROSECONDS, ">i8"
    elif values.dtype == "datetime64[D]":
        values, form = values.astype(np.int64) + _EPOCH_DAYS, ">i4"
    packed = values.astype(form or ">i8")
    return packed.view(np.uint8).reshape(-1, packed.itemsize)


def _write(out: NDArray[np.uint8], places: NDArray[np.int64], rows: NDArray[np.uint8]) -> None:
    """Write rows of bytes, each at its place."""
    width = rows.shape[1]
    windows(out, width)[places] = np.ascontiguousarray(rows).view(f"V{width}").ravel()
