"""Bulk messages: most rows of one are read by columns, and only the others one by one."""

from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress

import numpy as np

from consumer.blocks import Block, block_of_columns
from feeds.core.columns import Mask, column_readers, cut, read_columns
from feeds.core.declaration import Dialect, Feed
from feeds.core.records import (
    FIELD_END,
    ROW_END,
    MalformedRecord,
    Record,
    parse_fields,
    record_at,
    split_records,
)

_Utf8Decoder = getincrementaldecoder("utf-8")
_PIECE = 32_768  # bytes
_FEW = 32  # lines that columns do not pay for


@dataclass(frozen=True)
class _Candidates:
    """Lines of which columns may read those that are ``eligible``."""

    delimiter: bytes
    line_end: bytes
    text: bytes  # of all lines, without quotes
    numbers: Sequence[int]
    payloads: Sequence[bytes]
    eligible: Mask


def read_bulk(
    feed: Feed, header: Sequence[str], body: bytes, first_line: int, imported_at: datetime
) -> tuple[list[Block], list[Record]]:
    """Delimited text, of which the first line has this number, without its header.

    Returns the good rows, and the records that are in any doubt: the model has to look at them.
    """
    lines = body.split(b"\n")
    if len(lines) < _FEW or column_readers(feed) is None:
        return [], list(split_records(lines, feed.dialect, len(header), first_line))
    groups, doubtful = _sort(lines, body, feed.dialect, len(header), first_line)
    blocks = []
    for group in groups:
        block, others = _read(feed, header, group, imported_at)
        blocks += [block] if block is not None else []
        doubtful += others
    return blocks, doubtful


def _sort(
    lines: list[bytes], body: bytes, dialect: Dialect, width: int, first_line: int
) -> tuple[list[_Candidates], list[Record]]:
    """Lines that are records as they are, records that have to be unquoted, and all others."""
    is_plain = np.ones(len(lines), bool)
    quoted, doubtful = [], []
    for start, end, record in _marked_records(lines, body, dialect, width, first_line):
        is_plain[start:end] = False
        text = _unquoted(record.raw, dialect, width)
        if text is None:
            doubtful.append(record)
        else:
            quoted.append((record, text))
    numbers = range(first_line, first_line + len(lines))
    if _has_returns(lines):
        lines = [line.removesuffix(b"\r") for line in lines]
        body = b"\n".join(lines)
    groups = [_Candidates(dialect.delimiter.encode(), b"\n", body, numbers, lines, is_plain)]
    return groups + ([_unquoted_group(quoted)] if quoted else []), doubtful


def _unquoted_group(quoted: Sequence[tuple[Record, bytes]]) -> _Candidates:
    text = ROW_END.join(text for _, text in quoted)
    numbers = [record.line for record, _ in quoted]
    payloads = [record.raw for record, _ in quoted]
    return _Candidates(FIELD_END, ROW_END, text, numbers, payloads, np.ones(len(quoted), bool))


def _marked_records(
    lines: Sequence[bytes], body: bytes, dialect: Dialect, width: int, first_line: int
) -> Iterator[tuple[int, int, Record]]:
    """The records with marked lines, and the indexes where their lines begin and end."""
    following = 0
    for index in _marked(lines, body, dialect):
        if index >= following:  # it is not inside the record before
            record, following = record_at(lines, index, dialect, width, first_line)
            yield index, following, record


def _marked(lines: Sequence[bytes], body: bytes, dialect: Dialect) -> list[int]:
    """The indexes of the lines that more has to be known of than where their delimiters are."""
    text = np.frombuffer(body + b"\n", np.uint8)
    marks = [b"\0"] + ([b" "] if dialect.skip_space else [])
    marks += [dialect.quote.encode()] if dialect.quote is not None else []
    places = [np.flatnonzero(text == ord(mark)) for mark in marks if mark in body]
    if b"\r" in body:
        returns = np.flatnonzero(text == ord("\r"))
        places.append(returns[text[returns + 1] != ord("\n")] if _has_returns(lines) else returns)
    found: set[int] = set()
    if places:
        line_ends = np.flatnonzero(text == ord("\n"))
        found.update(np.searchsorted(line_ends, np.concatenate(places)).tolist())
    if not _is_text(body):
        found.update(n for n, line in enumerate(lines) if not _is_text(line))
    return sorted(found)


def _has_returns(lines: Sequence[bytes]) -> bool:
    """Whether lines end with a carriage return, as a rule: then that is no mark."""
    return lines[0].endswith(b"\r")


def _is_text(raw: bytes) -> bool:
    """Whether this is UTF-8; looked at in pieces that stay in the processor's cache."""
    if raw.isascii():
        return True
    decoder = _Utf8Decoder()
    try:
        for start in range(0, len(raw), _PIECE):
            decoder.decode(raw[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _unquoted(raw: bytes, dialect: Dialect, width: int) -> bytes | None:
    """A record with separators that no field of it has; None where that does not do it."""
    try:
        fields = parse_fields(raw, dialect)
    except MalformedRecord:
        return None
    text = FIELD_END.decode().join(fields).encode()
    if len(fields) != width or text.count(FIELD_END) != width - 1:
        return None
    return None if ROW_END in text or b"\0" in text else text


def _read(
    feed: Feed, header: Sequence[str], group: _Candidates, imported_at: datetime
) -> tuple[Block | None, list[Record]]:
    sheet, whole = cut(group.text, len(header), group.delimiter, group.line_end)
    columns = read_columns(feed, header, sheet)
    chosen = columns.good & group.eligible[whole]
    good = np.zeros(len(whole), bool)
    good[whole] = chosen
    left = group.eligible & ~good
    others = list(map(Record, compress(group.numbers, left), compress(group.payloads, left)))
    if not chosen.any():
        return None, others
    block = block_of_columns(
        feed,
        columns.of(chosen),
        lines=list(compress(group.numbers, good)),
        payloads=list(compress(group.payloads, good)),
        imported_at=imported_at,
    )
    return block, others
