"""The bytes that a person names: a file here or in S3, or standard input."""

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import SourceError
from warehouse.remote import fingerprint, is_remote, open_remote

STDIN = "-"


@dataclass(frozen=True)
class InputFile:
    """An open file."""

    name: str
    stream: io.BufferedReader
    fingerprint: str | None  # another one where the content is another; None: nobody can say
    change: Callable[[], str | None]  # what has happened to it since it was opened, if anything


@contextmanager
def open_stdin() -> Iterator[InputFile]:
    """Standard input, which stays open."""
    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        yield InputFile("standard input", stream, None, _change_of(stream))


@contextmanager
def open_file(path: str) -> Iterator[InputFile]:
    """A file, decompressed by nobody yet.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        if is_remote(path):
            mark, stream = fingerprint(path), open_remote(path)
            change: Callable[[], str | None] = _nothing
        else:
            stream = Path(path).open("rb")  # pylint: disable=consider-using-with  # below
            mark, change = local_fingerprint(os.fstat(stream.fileno())), _change_of(stream)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder; name its files, such as {path}/*.csv") from None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    with stream:
        yield InputFile(path, stream, mark, change)


def local_fingerprint(status: os.stat_result) -> str:
    """Size and time of the last change."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _nothing() -> None:
    """A file in S3 is read as it was when it was opened, or not at all."""


def _change_of(stream: io.BufferedReader) -> Callable[[], str | None]:
    before = os.fstat(stream.fileno())

    def change() -> str | None:
        now = os.fstat(stream.fileno())
        if not stat.S_ISREG(now.st_mode) or now.st_size == before.st_size:
            return None
        return (
            f"had {before.st_size:,} bytes and now has {now.st_size:,}: it changed while it was "
            "read; import it again when it is complete. Read so far:"
        )

    return change
