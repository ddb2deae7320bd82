"""The daily files of a lake, in a folder or in S3: ``YYYY-MM-DD.tsv``, ``.gz`` too."""

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from producer.files import local_fingerprint
from warehouse.errors import SourceError
from warehouse.remote import fingerprint, is_remote, list_remote

_DAILY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.tsv(\.gz)?")


@dataclass(frozen=True, order=True)
class DailyFile:
    """The events that one day has delivered; a few may be of other days."""

    date: date
    path: str
    fingerprint: str


def daily_files(source: str, first: date | None, last: date | None) -> list[DailyFile]:
    """The files of the dates from ``first`` to ``last``, both included; None: no bound. By date.

    Raises:
        SourceError: there is no such folder, it cannot be read, or has no file of these dates.
    """
    try:
        paths = list_remote(source) if is_remote(source) else _list_folder(Path(source))
        chosen = []
        for path in paths:
            day = _day_of(path)
            if day and (first or day) <= day <= (last or day):
                mark = fingerprint(path) if is_remote(path) else local_fingerprint(_stat(path))
                chosen.append(DailyFile(day, path, mark))
    except FileNotFoundError:
        raise SourceError(f"{source}: no such folder") from None
    except OSError as error:
        raise SourceError(f"{source}: {error.strerror or error}") from None
    if not chosen:
        bounds = f" from {first or 'the first'} to {last or 'the last'}" if first or last else ""
        raise SourceError(f"{source}: there is no file YYYY-MM-DD.tsv{bounds} in there")
    return sorted(chosen)


def _list_folder(folder: Path) -> list[str]:
    return [str(path) for path in folder.iterdir() if path.is_file()]


def _stat(path: str) -> os.stat_result:
    return Path(path).stat()


def _day_of(path: str) -> date | None:
    found = _DAILY.fullmatch(path.rpartition("/")[2])
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:  # such as 2019-02-30
        return None
