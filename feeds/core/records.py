"""Where one record of delimited text ends and the next begins, and which fields it has.

Producer and consumer share this: both cut the same bytes into the same records, so that a bulk
message can carry the lines of a file as they came.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from feeds.core.declaration import Dialect, Feed

csv.field_size_limit(2**31 - 1)  # the module's own limit, 131,072 characters, is none of ours

_COMPLAINTS = {
    "unexpected end of data": "a quote is not closed",
    "expected after": "text after a closing quote",
    "new-line character": "a carriage return outside quotes",
}

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
    found = tuple(name.strip() for name in parse_fields(_without_line_break(raw), feed.dialect))
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


def split_records(
    lines: Iterable[bytes], dialect: Dialect, width: int, first_line: int = 1
) -> Iterator[Record]:
    """Cut physical lines into records of ``width`` fields, none lost and none swallowed.

    A record goes on over a line break only where that makes a well-formed record. Otherwise an
    unclosed quote costs its own line and not the good rows below it.
    """
    source = iter(lines)
    returned: deque[bytes] = deque()  # lines read ahead in vain, to be read again
    line = first_line
    while (first := _next_line(returned, source)) is not None:
        taken = [first]
        if _is_open(first, dialect):
            taken += _until_closed(returned, source, dialect)
            if len(taken) > 1 and not _is_well_formed(b"".join(taken), dialect, width):
                returned.extendleft(reversed(taken[1:]))
                taken = [first]
        yield Record(line, _without_line_break(b"".join(taken)))
        line += len(taken)


def _next_line(returned: deque[bytes], source: Iterator[bytes]) -> bytes | None:
    return returned.popleft() if returned else next(source, None)


def _is_open(text: bytes, dialect: Dialect) -> bool:
    return dialect.quote is not None and text.count(dialect.quote.encode()) % 2 == 1


def _until_closed(returned: deque[bytes], source: Iterator[bytes], dialect: Dialect) -> list[bytes]:
    """The lines up to the one whose odd count of quotes closes what is open."""
    taken: list[bytes] = []
    while len(taken) < MAX_RECORD_LINES:
        following = _next_line(returned, source)
        if following is None:
            break
        taken.append(following)
        if _is_open(following, dialect):
            break
    return taken


def _is_well_formed(raw: bytes, dialect: Dialect, width: int) -> bool:
    try:
        return len(parse_fields(_without_line_break(raw), dialect)) == width
    except MalformedRecord:
        return False


def _without_line_break(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")
