"""The source of a round, and what the raw tables must hold of it in the end, by plain means."""

import csv
import hashlib
import io
import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.programs import execute
from chaos.hostile import MARK
from data.user_events import user_event_lines

_COLUMNS = (
    "id, event_type, username, user_email, user_type, organization_name, plan_name,"
    " to_char(received_at, 'YYYY-MM-DD HH24:MI:SS.US')"
)
_IS_OURS = f"position('{MARK}' in {{}}) = 0"  # nothing of what hostile publishers have sent
Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Expected:
    """The good rows, and how many bad ones."""

    path: Path
    rows: list[Row]
    n_bad: int


def make_source(path: Path, rows: int, seed: int) -> Expected:
    """Write a file of user events, one in a thousand of them bad."""
    dice = random.Random(seed)
    lines = list(user_event_lines(rows, datetime(2020, 12, 5), 7, ["Olympus"], seed, broken=False))
    good = [
        tuple(value or None for value in row) for row in csv.reader(io.StringIO("".join(lines[1:])))
    ]
    n_bad = max(1, rows // 1000)
    for _ in range(n_bad):
        lines.insert(dice.randrange(1, len(lines) + 1), "not,a,row\n")
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return Expected(path, good, n_bad)


def checksum(rows: list[Row]) -> str:
    """The same for the same rows in any order."""
    digests = (hashlib.md5(repr(row).encode()).digest() for row in rows)
    return f"{sum(int.from_bytes(digest, 'big') for digest in digests) % 2**64:016x}"


def compare(expected: Expected) -> str:
    """Compare the tables with what they must hold; their counts and checksum.

    Raises:
        AssertionError: something is lost, doubled, or set aside that is good.
    """
    stored = execute(f"SELECT {_COLUMNS} FROM raw.user_events WHERE {_IS_OURS.format('id')}")
    of_letters = _IS_OURS.format("encode(body, 'escape')")
    ((dead,),) = execute(f"SELECT count(*) FROM raw.dead_letters WHERE {of_letters}")
    of_rejects = f"source = '{expected.path}'"  # a part of a hostile message may have no mark
    ((rejected,),) = execute(f"SELECT count(*) FROM raw.rejected_events WHERE {of_rejects}")
    found, wanted = checksum(stored), checksum(expected.rows)
    told = f"{len(stored):,} rows, checksum {found}, {rejected} rejected, {dead} dead"
    if (len(stored), found) != (len(expected.rows), wanted) or sorted(stored, key=repr) != sorted(
        expected.rows, key=repr
    ):
        raise AssertionError(f"{told}; expected {len(expected.rows):,} rows, checksum {wanted}")
    if (rejected, dead) != (expected.n_bad, 0):
        raise AssertionError(f"{told}; expected {expected.n_bad} rejected and none dead")
    return told
