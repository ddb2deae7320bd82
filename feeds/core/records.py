"""Where one record of delimited text ends and the next begins, and which fields it has.

Producer and consumer share this: both see the same records in the same lines, so that a bulk
message can carry the lines of a file as they came. A line here has lost its line feed; a carriage
return before it is still there.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feeds.core.declaration import Dialect, Feed

csv.field_size_limit(2**31 - 1)  # the module's own limit, 131,072 characters, is none of ours

_COMPLAINTS = {
    "unexpected end of data": "a quote is not closed",
    "expected after": "text after a closing quote",
    "new-line character": "a carriage return outside quotes",
}

# ASCII's own separators, of units and of records: for fields that may hold all the usual ones.
FIELD_END, ROW_END = b"\x1f", b"\x1e"

# A quoted field may hold line breaks; a record that spans more than this is an unclosed quote.
MAX_RECORD_LINES = 100


class MalformedRecord(ValueError):
    """These bytes are no record: the text says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of one record without its final line break; ``line`` is its first line, from 1."""

    line: int
    raw: bytes


def parse_fields(raw: bytes, dialect: Dialect) -> list[str]:
    """The fields of one record, as text.

    Raises:
        MalformedRecord: not UTF-8, or quotes that do not match.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedRecord(f"not UTF-8 at byte {error.start + 1} of the row") from None
    if _splits_plainly(text, dialect):
        return text.split(dialect.delimiter)
    try:
        return next(
            csv.reader(
                [text],
                delimiter=dialect.delimiter,
                quotechar=dialect.quote,
                skipinitialspace=dialect.skip_space,
                strict=True,
            ),
            [],
        )
    except csv.Error as error:
        raise MalformedRecord(_explain(error)) from None


def _splits_plainly(text: str, dialect: Dialect) -> bool:
    """Whether nothing in the text needs the csv module, which takes three times as long."""
    if dialect.quote is None:
        return True
    return dialect.quote not in text and "\r" not in text and not dialect.skip_space


def _explain(error: csv.Error) -> str:
    """The csv module's complaint, in words for whoever has to repair the file."""
    for theirs, ours in _COMPLAINTS.items():
        if theirs in str(error):
            return ours
    return str(error)


def parse_header(raw: bytes, feed: Feed) -> tuple[str, ...]:
    """The names of the columns, in the file's order: those of the declaration, each once.

    Raises:
        MalformedRecord: other columns than the feed has.
    """
    found = tuple(name.strip() for name in parse_fields(raw.rstrip(b"\r\n"), feed.dialect))
    missing = [name for name in feed.header if name not in found]
    unknown = [name for name in found if name not in feed.header]
    if missing or unknown or len(set(found)) < len(found):
        if len(missing) == len(feed.header):
            raise MalformedRecord(f"this is no header of {feed.name}, which is {_quoted(feed)}")
        complaints = [f"column {name!r} is missing" for name in missing]
        complaints += [f"column {name[:40]!r} is unknown" for name in unknown]
        twice = [name for name in feed.header if found.count(name) > 1]
        complaints += [f"column {name!r} occurs twice" for name in twice]
        raise MalformedRecord(
            f"{', '.join(complaints)}; the header of {feed.name} is {_quoted(feed)}"
        )
    return found


def _quoted(feed: Feed) -> str:
    return repr(feed.dialect.delimiter.join(feed.header))


def whole_records(lines: Sequence[bytes], dialect: Dialect, width: int) -> tuple[int, list[int]]:
    """Where a sequence of lines may be cut, if more lines follow.

    Returns how many of the lines form records whatever follows, and which of these lines, by
    index, continue a record of an earlier line.
    """
    inner: list[int] = []
    position = 0
    for index in open_lines(lines, dialect):
        if index < position:
            continue
        end = _record_end(lines, index, dialect, width)
        if end is None:
            return index, inner
        inner += range(index + 1, end)
        position = end
    return len(lines), inner


def split_records(
    lines: Sequence[bytes], dialect: Dialect, width: int, first_line: int = 1
) -> Iterator[Record]:
    """Put physical lines together to records of ``width`` fields, none lost and none swallowed.

    A record goes on over a line break only where that makes a well-formed record. Otherwise an
    unclosed quote costs its own line and not the good rows below it.
    """
    index = 0
    while index < len(lines):
        record, index = record_at(lines, index, dialect, width, first_line)
        yield record


def record_at(
    lines: Sequence[bytes], index: int, dialect: Dialect, width: int, first_line: int
) -> tuple[Record, int]:
    """The record that begins with the line at ``index``, and the index after it."""
    end = _record_end(lines, index, dialect, width) or index + 1
    return Record(first_line + index, b"\n".join(lines[index:end]).removesuffix(b"\r")), end


def open_lines(lines: Sequence[bytes], dialect: Dialect) -> list[int]:
    """The indexes of the lines with an odd number of quotes."""
    if dialect.quote is None:
        return []
    quote = ord(dialect.quote)  # a number is found in a third of the time that a text takes
    return [n for n, line in enumerate(lines) if quote in line and line.count(quote) % 2]


def _record_end(lines: Sequence[bytes], start: int, dialect: Dialect, width: int) -> int | None:
    """The index after the record that begins at ``start``; None: that takes more lines to tell."""
    if not _is_open(lines[start], dialect):
        return start + 1
    limit = start + 1 + MAX_RECORD_LINES
    for last in range(start + 1, min(len(lines), limit)):
        if _is_open(lines[last], dialect):
            found = b"\n".join(lines[start : last + 1])
            return last + 1 if _is_well_formed(found, dialect, width) else start + 1
    return None if len(lines) < limit else start + 1


def _is_open(line: bytes, dialect: Dialect) -> bool:
    return dialect.quote is not None and line.count(dialect.quote.encode()) % 2 == 1


def _is_well_formed(raw: bytes, dialect: Dialect, width: int) -> bool:
    try:
        return len(parse_fields(raw.removesuffix(b"\r"), dialect)) == width
    except MalformedRecord:
        return False
