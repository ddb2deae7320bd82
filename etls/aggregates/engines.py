"""What an engine is, and which one the files need."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from etls.aggregates.contract import BadRow
from etls.aggregates.sources import PARQUET, Sources, is_remote, remote_files

AUTO, DUCKDB, SPARK = "auto", "duckdb", "spark"

# DuckDB's facts, and what it spills while it sorts them, measured: about as much as the text.
_TEXT_TO_DISK = 1.0
_UNPACKED = {".gz": 5.0, PARQUET: 5.0}  # times the file's size, about


class Engine(Protocol):
    """What computes the aggregate of some files, and puts it into its table."""

    n_rows: int
    n_bad: int

    def run(self) -> int:
        """Compute; how many rows the result has. Nobody sees it yet."""

    def publish(self) -> None:
        """Put the result in the place of the table's rows."""

    def bad_parquet_rows(self) -> Iterator[BadRow]:
        """The rows of Parquet files that do not keep the contract."""

    def close(self) -> None:
        """Give everything back."""


def outgrows(sources: Sources, folder: Path) -> bool:
    """Whether there is less room in the folder than one machine needs for these files."""
    needed = sum(_size(path) * _unpacked(path) for path in sources.paths) * _TEXT_TO_DISK
    return needed > shutil.disk_usage(folder).free


def _size(path: str) -> int:
    return int(remote_files().size(path)) if is_remote(path) else os.stat(path).st_size


def _unpacked(path: str) -> float:
    return _UNPACKED.get(Path(path).suffix, 1.0)
