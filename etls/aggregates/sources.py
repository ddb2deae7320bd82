"""What ``--source`` names: files, folders and patterns, here or in S3, and which kind they are."""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import IO, cast

import duckdb

from etls.aggregates.catalogue import AGGREGATES, Aggregate, aggregate_of
from warehouse.errors import SourceError
from warehouse.remote import is_remote, list_remote, open_remote, remote_files

PARQUET = ".parquet"
UNREADABLE = (OSError, EOFError, zlib.error)
_TEXTS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_DELIMITERS = (",", "|", "\t", ";")
_LONGEST_HEADER = 65_536  # bytes
_BOM = "\ufeff"


@dataclass(frozen=True)
class Layout:
    """How delimited files are written that have this header."""

    delimiter: str
    header: tuple[str, ...]


@dataclass
class Sources:
    """The files of one aggregate, those of one layout together."""

    aggregate: Aggregate
    texts: dict[Layout, list[str]] = field(default_factory=dict)
    parquets: list[str] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """All of them."""
        return [path for paths in self.texts.values() for path in paths] + self.parquets


def open_sources(named: Sequence[str], feed: str | None) -> Sources:
    """The files that are meant, each with its header read.

    Args:
        named: files, folders, patterns, ``s3://`` addresses of files.
        feed: what the files are; None: their headers say.

    Raises:
        SourceError: one cannot be read, or its header is of no feed, or of another than the rest.
        UsageError: no aggregate is made of the feed.
    """
    chosen = aggregate_of(feed) if feed else None
    found: Sources | None = None
    for path in _expand(named):
        names, delimiter = _header(path)
        aggregate = _recognise(path, names, chosen)
        found = found or Sources(aggregate)
        if aggregate is not found.aggregate:
            raise SourceError(
                f"{path}: holds {aggregate.feed.name}, and {found.paths[0]}"
                f" {found.aggregate.feed.name}: name files of one kind"
            )
        if delimiter is None:
            found.parquets.append(path)
        else:
            found.texts.setdefault(Layout(delimiter, names), []).append(path)
    assert found is not None
    return found


def _expand(named: Iterable[str]) -> list[str]:
    paths: list[str] = []
    for name in named:
        if is_remote(name):
            paths += _inside(name) if name.endswith("/") else [name]
        elif Path(name).is_dir():
            inside = sorted(str(path) for path in Path(name).rglob("*") if _is_data(path))
            if not inside:
                raise SourceError(f"{name}: no {', '.join((*_TEXTS, PARQUET))} file is in there")
            paths += inside
        elif Path(name).exists() or not any(sign in name for sign in "*?["):
            paths.append(name)
        elif matching := sorted(glob(name, recursive=True)):
            paths += matching
        else:
            raise SourceError(f"{name}: no file matches")
    return list(dict.fromkeys(paths))


def _is_data(path: Path) -> bool:
    return path.is_file() and path.name.endswith((*_TEXTS, PARQUET))


def _inside(prefix: str) -> list[str]:
    try:
        found = [path for path in list_remote(prefix) if path.endswith((*_TEXTS, PARQUET))]
    except OSError as error:
        raise unreadable(prefix, error) from None
    if not found:
        raise SourceError(f"{prefix}: no {', '.join((*_TEXTS, PARQUET))} file is in there")
    return sorted(found)


def open_bytes(path: str) -> IO[bytes]:
    """A file's bytes, decompressed; opening and reading raise ``UNREADABLE``."""
    if not is_remote(path):
        return cast(IO[bytes], gzip.open(path) if path.endswith(".gz") else open(path, "rb"))
    file = open_remote(path)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file)


def unreadable(path: str, error: Exception) -> SourceError:
    """The error that a person sees instead of one of ``UNREADABLE``."""
    return SourceError(f"{path}: {getattr(error, 'strerror', None) or error}")


def _header(path: str) -> tuple[tuple[str, ...], str | None]:
    """The names of the columns, and the delimiter; of Parquet, None."""
    if path.endswith(PARQUET):
        return _parquet_columns(path), None
    try:
        with open_bytes(path) as file:
            line = file.readline(_LONGEST_HEADER).decode().removeprefix(_BOM).strip()
    except UnicodeDecodeError:
        raise SourceError(f"{path}, line 1: is not UTF-8") from None
    except UNREADABLE as error:
        raise unreadable(path, error) from None
    delimiter = max(_DELIMITERS, key=line.count)
    return tuple(name.strip().strip('"') for name in line.split(delimiter)), delimiter


def _parquet_columns(path: str) -> tuple[str, ...]:
    connection = duckdb.connect()
    try:
        if is_remote(path):
            connection.register_filesystem(remote_files())
        rows = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
        return tuple(str(name) for name, *_ in rows)
    except duckdb.Error as error:
        raise SourceError(f"{path}: {str(error).splitlines()[0]}") from None


def _recognise(path: str, names: tuple[str, ...], chosen: Aggregate | None) -> Aggregate:
    for aggregate in [chosen] if chosen else AGGREGATES.values():
        if set(names) == set(aggregate.feed.header) and len(names) == len(set(names)):
            return aggregate
        if path.endswith(PARQUET) and set(aggregate.feed.columns) <= set(names):
            return aggregate
    known = " or ".join(
        repr(a.feed.dialect.delimiter.join(a.feed.header))
        for a in ([chosen] if chosen else AGGREGATES.values())
    )
    raise SourceError(f"{path}, line 1: this is not the header {known}")
