"""Opening what a person names: a file, a compressed file, or standard input; CSV, TSV or JSON."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import ijson
from ijson.backends import python as _exact_json

from feeds.core.declaration import Dialect, Feed
from feeds.core.records import MalformedRecord, parse_header, split_records, whole_records
from feeds.core.rows import to_json
from producer.files import STDIN, InputFile, open_file, open_stdin
from warehouse.errors import SourceError
from warehouse.message import CSV, NDJSON

MAX_LINE_BYTES = 8 * 2**20  # RabbitMQ 4 takes messages up to 16 MiB
KEPT_OF_LONGER = 1000  # bytes of a longer line, so that a person recognises it
_BLOCK_BYTES = 1024 * 1024  # read at once; what of it are whole records becomes a chunk
_SHOWN = 200  # characters of what a parser complains about
_TOO_DEEP = b"(an element that is nested too deeply)"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive lines of a source, without their line feeds, that are whole records."""

    first_line: int
    lines: list[bytes]
    inner: Sequence[int] = ()  # indexes of lines that continue a record of an earlier line
    malformed: str | None = None  # why its one line is no record, whatever it holds


@dataclass(frozen=True)
class Source:
    """A source at its first record, its header read and found right."""

    name: str
    fingerprint: str | None  # of the file; None: it has none
    content_type: str  # of a bulk message with these records
    header: bytes  # what such a message starts with; empty for JSON
    columns: tuple[str, ...]
    chunks: Iterator[Chunk]


def check_readable(paths: Sequence[str]) -> None:
    """Complain before anything is published, not half-way.

    Raises:
        SourceError: one of the paths is no file that can be read.
    """
    for path in paths:
        if path != STDIN:
            with open_file(path):
                pass


@contextmanager
def open_source(path: str, feed: Feed) -> Iterator[Source]:
    """Open a source; its records are read as they are asked for, in constant memory.

    Raises:
        SourceError: here, or later from the records, when the file cannot be read on, or is not
            the size any more that it had.
    """
    with open_stdin() if path == STDIN else open_file(path) as file:
        stream = _decompressed(file)
        start = _peek(file.name, stream)
        if start.startswith(_BOM):
            stream.read(len(_BOM))
        elif start.startswith(_UTF_16):
            raise SourceError(f"{file.name}: is UTF-16; save it as UTF-8")
        yield _describe(_Reader(file, stream), feed)


class _Reader:
    """The bytes of a source, in blocks, with a file's troubles told in one place."""

    def __init__(self, file: InputFile, stream: io.BufferedReader) -> None:
        self.name = file.name
        self.fingerprint = file.fingerprint
        self.stream = stream
        self._file = file
        # A compressed file that breaks off takes with it what was asked for and not yet given.
        self._at_once = _BLOCK_BYTES if stream is file.stream else io.DEFAULT_BUFFER_SIZE

    def blocks(self, place: Callable[[], str]) -> Iterator[bytes]:
        """Blocks of one size, the last one shorter.

        Raises:
            SourceError: with ``place``, after everything that could be read.
        """
        parts: list[bytes] = []
        size = 0
        try:
            while part := self.stream.read1(min(self._at_once, _BLOCK_BYTES - size)):
                parts.append(part)
                size += len(part)
                if size >= _BLOCK_BYTES:
                    yield b"".join(parts)
                    parts, size = [], 0
            problem = self._file.change()
        except (EOFError, OSError, zlib.error) as error:
            problem = _reason(error)
        if parts:
            yield b"".join(parts)
        if problem:
            raise SourceError(f"{self.name}: {problem} {place()}")


def _decompressed(file: InputFile) -> io.BufferedReader:
    if _peek(file.name, file.stream).startswith(_GZIP):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file.stream)))
    return file.stream


def _describe(reader: _Reader, feed: Feed) -> Source:
    name, mark = reader.name, reader.fingerprint
    start = _peek(name, reader.stream).lstrip()[:1]
    if start == b"[":
        return Source(name, mark, NDJSON, b"", (), _read_array(name, reader.stream))
    if start == b"{":
        return Source(name, mark, NDJSON, b"", (), _read_chunks(reader, 1))
    if not feed.dialect.has_header:
        header, first_line = feed.dialect.delimiter.join(feed.header).encode(), 1
    else:
        header, first_line = _read_header(reader), 2
    try:
        columns = parse_header(header, feed)
    except MalformedRecord as error:
        raise SourceError(f"{name}, line 1: {error}") from None
    chunks = _only_whole_records(_read_chunks(reader, first_line), feed.dialect, len(columns))
    return Source(name, mark, CSV, header.rstrip(b"\r\n"), columns, chunks)


def _peek(name: str, stream: io.BufferedReader) -> bytes:
    try:
        return stream.peek(1)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{name}: {_reason(error)} at the start") from None


def _read_header(reader: _Reader) -> bytes:
    try:
        header = reader.stream.readline(MAX_LINE_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{reader.name}: {_reason(error)} in line 1") from None
    if not header:
        raise SourceError(f"{reader.name}: the file is empty, not even a header")
    return header


def _read_chunks(reader: _Reader, line: int) -> Iterator[Chunk]:
    """The lines from number ``line`` on, as they come; one that is too long, alone and cut."""
    rest = b""
    dropped = 0  # bytes of the present line that are read and not kept
    for block in reader.blocks(lambda: f"after line {line - 1}"):
        lines = block.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        if lines and dropped + len(lines[0]) > MAX_LINE_BYTES:
            yield _cut(line, lines[0], dropped)
            del lines[0]
            line, dropped = line + 1, 0
        if lines:
            yield Chunk(line, lines)
            line += len(lines)
        if dropped + len(rest) > MAX_LINE_BYTES:
            dropped += len(rest) - KEPT_OF_LONGER
            rest = rest[:KEPT_OF_LONGER]
    if rest:
        too_long = dropped + len(rest) > MAX_LINE_BYTES
        yield _cut(line, rest, dropped) if too_long else Chunk(line, [rest])


def _cut(line: int, kept: bytes, dropped: int) -> Chunk:
    length, limit = len(kept) + dropped, MAX_LINE_BYTES // 2**20
    reason = f"{length:,} bytes long; lines may have {limit} MiB"
    return Chunk(line, [kept[:KEPT_OF_LONGER]], malformed=reason)


def _only_whole_records(chunks: Iterator[Chunk], dialect: Dialect, width: int) -> Iterator[Chunk]:
    """The same lines; one that may belong to a record still open waits for those that follow."""
    waiting: list[bytes] = []
    line = 0
    broken: SourceError | None = None
    try:
        for chunk in chunks:
            if chunk.malformed is not None:
                yield from _the_rest(line, waiting, dialect, width)
                waiting = []
                yield chunk
                continue
            lines = waiting + chunk.lines
            line = chunk.first_line - len(waiting)
            count, inner = whole_records(lines, dialect, width)
            if count:
                yield Chunk(line, lines[:count], inner)
            waiting, line = lines[count:], line + count
    except SourceError as error:  # what was read before the file broke off is good
        broken = error
    yield from _the_rest(line, waiting, dialect, width)
    if broken is not None:
        raise broken


def _the_rest(line: int, lines: list[bytes], dialect: Dialect, width: int) -> Iterator[Chunk]:
    """Lines that nothing follows: what looks open in them is not closed any more."""
    for record in split_records(lines, dialect, width, line):
        taken = record.raw.split(b"\n")
        yield Chunk(record.line, taken, range(1, len(taken)))


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed file is cut short"
    return f"cannot be read ({error})"


def _read_array(name: str, stream: io.BufferedReader) -> Iterator[Chunk]:
    """The elements of one JSON array; an element's place in it stands for its line."""
    number, waiting, size = 0, list[bytes](), 0
    broken: SourceError | None = None
    try:
        # ijson's faster backends turn half a surrogate pair into a question mark.
        for number, found in enumerate(_exact_json.items(stream, "item", use_float=True), 1):
            try:
                waiting.append(to_json(found))
            except RecursionError:
                if waiting:
                    yield Chunk(number - len(waiting), waiting)
                yield Chunk(number, [_TOO_DEEP], malformed="nested too deeply")
                waiting, size = [], 0
                continue
            size += len(waiting[-1])
            if size >= _BLOCK_BYTES:
                yield Chunk(number + 1 - len(waiting), waiting)
                waiting, size = [], 0
    except ijson.JSONError as error:
        reason = " ".join(str(error).split())[:_SHOWN]
        broken = SourceError(f"{name}, after element {number}: broken JSON ({reason})")
    except (EOFError, OSError, zlib.error) as error:
        broken = SourceError(f"{name}: {_reason(error)} after element {number}")
    if waiting:
        yield Chunk(number + 1 - len(waiting), waiting)
    if broken is not None:
        raise broken
