"""Opening what a person names: a file, a compressed file, or standard input; CSV, TSV or JSON."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import ijson
from ijson.backends import python as _exact_json

from feeds.core.declaration import Feed
from feeds.core.records import MalformedRecord, Record, parse_header, split_records
from feeds.core.rows import to_json
from warehouse.errors import SourceError
from warehouse.message import CSV, NDJSON

STDIN = "-"
MAX_RECORD_BYTES = 8 * 2**20  # RabbitMQ 4 takes messages up to 16 MiB
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """A source at its first record, its header read and found right."""

    name: str
    content_type: str  # of a bulk message with these records
    header: bytes  # what such a message starts with; empty for JSON
    columns: tuple[str, ...]
    records: Iterator[Record]


def check_readable(paths: list[str]) -> None:
    """Complain before anything is published, not half-way.

    Raises:
        SourceError: one of the paths is no file that can be read.
    """
    for path in paths:
        if path != STDIN:
            _open_file(path).close()


@contextmanager
def open_source(path: str, feed: Feed) -> Iterator[Source]:
    """Open a source; its records are read as they are asked for, in constant memory.

    Raises:
        SourceError: here, or later from the records, when the file cannot be read on.
    """
    name = "standard input" if path == STDIN else path
    with _open_stdin() if path == STDIN else _open_file(path) as file:
        stream = _decompressed(file)
        start = _peek(name, stream)
        if start.startswith(_BOM):
            stream.read(len(_BOM))
        elif start.startswith(_UTF_16):
            raise SourceError(f"{name}: is UTF-16; save it as UTF-8")
        yield _describe(name, stream, feed)


def _open_stdin() -> io.BufferedReader:
    return open(sys.stdin.fileno(), "rb", closefd=False)


def _open_file(path: str) -> io.BufferedReader:
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder; name its files, such as {path}/*.csv") from None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def _decompressed(file: io.BufferedReader) -> io.BufferedReader:
    if file.peek(2).startswith(_GZIP):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
    return file


def _describe(name: str, stream: io.BufferedReader, feed: Feed) -> Source:
    start = _peek(name, stream).lstrip()[:1]
    if start == b"[":
        return Source(name, NDJSON, b"", (), _read_array(name, stream))
    lines = _read_lines(name, stream)
    if start == b"{":
        return Source(name, NDJSON, b"", (), _number(lines))
    if not feed.dialect.has_header:
        header, first_line = feed.dialect.delimiter.join(feed.header).encode(), 1
    else:
        header, first_line = next(lines, b""), 2
        if not header:
            raise SourceError(f"{name}: the file is empty, not even a header")
    try:
        columns = parse_header(header, feed)
    except MalformedRecord as error:
        raise SourceError(f"{name}, line 1: {error}") from None
    records = split_records(lines, feed.dialect, len(columns), first_line)
    return Source(name, CSV, header.rstrip(b"\r\n"), columns, records)


def _peek(name: str, stream: io.BufferedReader) -> bytes:
    try:
        return stream.peek(1)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{name}: {_reason(error)} at the start") from None


def _read_lines(name: str, stream: io.BufferedReader) -> Iterator[bytes]:
    line = 0
    try:
        while raw := stream.readline(MAX_RECORD_BYTES):
            line += 1
            if len(raw) == MAX_RECORD_BYTES:
                size = MAX_RECORD_BYTES // 2**20
                raise SourceError(f"{name}, line {line}: longer than {size} MiB")
            yield raw
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{name}: {_reason(error)} after line {line}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed file is cut short"
    return f"cannot be read ({error})"


def _number(lines: Iterator[bytes]) -> Iterator[Record]:
    return (Record(number, raw.rstrip(b"\r\n")) for number, raw in enumerate(lines, 1))


def _read_array(name: str, stream: io.BufferedReader) -> Iterator[Record]:
    """The elements of one JSON array; an element's place in it stands for its line."""
    number = 0
    try:
        # ijson's faster backends turn half a surrogate pair into a question mark.
        for number, found in enumerate(_exact_json.items(stream, "item", use_float=True), 1):
            yield Record(number, to_json(found))
    except ijson.JSONError as error:
        reason = " ".join(str(error).split())
        raise SourceError(f"{name}, after element {number}: broken JSON ({reason})") from None
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{name}: {_reason(error)} after element {number}") from None
