"""What an engine is, and which one the files need."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from etls.aggregates.contract import BadRow
from etls.aggregates.sources import PARQUET, Sources
from warehouse.remote import is_remote, remote_files

AUTO, DUCKDB, SPARK = "auto", "duckdb", "spark"

# DuckDB's facts are smaller than the text they come from, what it spills while it sorts them too:
# as much room as the text has is a guess on the safe side.
_UNPACKED = {".gz": 5.0, PARQUET: 5.0}  # text to file, about


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
    needed = sum(_size(path) * _unpacked(path) for path in sources.paths)
    return needed > shutil.disk_usage(folder).free


def _size(path: str) -> int:
    return int(remote_files().size(path)) if is_remote(path) else os.stat(path).st_size


def _unpacked(path: str) -> float:
    return _UNPACKED.get(Path(path).suffix, 1.0)
