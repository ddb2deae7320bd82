"""The article lake: from files to tables and picture, beside ``\\copy`` of the same files."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import programs
from bench.programs import checkpoint, execute

_ROWS, _DAYS = 5_000_000, 30
_EARLY, _LATE = (1, 2, 3), (26, 27, 28)  # days, from 0
_SECONDS = re.compile(r"\(([0-9.]+) s\)")
_TABLES = "reports.article_performance, reports.user_performance, meta.etl_runs"


def measure(rounds: int, rows: int = _ROWS) -> None:
    """Print rows/s of the whole chain and of its parts, and the seconds of early and late days."""
    lake = make_lake(rows)
    print(f"\narticle lake, {rows:,} events of {_DAYS} days")
    for number in range(rounds):
        print(f"round {number + 1}: {_chain(lake, rows)}", flush=True)
    days = [path.stem for path in sorted(lake.iterdir())]
    execute(f"TRUNCATE {_TABLES}")
    for name in ("article_performance", "user_performance"):
        seconds = [_first_seconds(_run("etls", "run", name, "--date", day), name) for day in days]
        early, late = (median(seconds[day] for day in some) for some in (_EARLY, _LATE))
        print(f"{name}: an early day {early:.2f} s, a late one {late:.2f} s: {late / early:.2f}")


def _chain(lake: Path, rows: int) -> str:
    """The baseline, then the whole way; what they took."""
    copied = _copy(lake)
    execute(f"TRUNCATE raw.article_events, raw.imports, raw.receipts, {_TABLES}")
    checkpoint()
    with programs.consumers(1), tempfile.TemporaryDirectory() as reports:
        started = time.perf_counter()
        said = _run("run", "--source", str(lake), "--reports", reports)
        whole = time.perf_counter() - started
    published = float(re.findall(r"already there \(([0-9.]+) s", said)[0])
    etls = sum(_first_seconds(said, name) for name in ("article_performance", "user_performance"))
    return (
        f"\\copy {copied:.1f} s ({rows / copied:,.0f} rows/s),"
        f" run.py {whole:.1f} s ({rows / whole:,.0f} rows/s, ratio {copied / whole:.3f}):"
        f" to raw {published:.1f} s ({rows / published:,.0f} rows/s,"
        f" ratio {copied / published:.3f}), ETLs {etls:.1f} s ({etls / whole:.0%})"
    )


def make_lake(rows: int) -> Path:
    """A folder of daily files, kept for the next time."""
    lake = Path(tempfile.gettempdir()) / f"event-warehouse-bench-lake-{rows}"
    if not lake.exists():
        unfinished = lake.with_suffix(".part")
        size = ("--article-events", str(rows), "--days", str(_DAYS))
        _run("data.generate", *size, "--folder", str(unfinished))
        unfinished.rename(lake)
    return lake


def _copy(lake: Path) -> float:
    """Seconds of ``\\copy`` of every file into a table with a generated key and no other index."""
    execute("DROP TABLE IF EXISTS bench_copy")
    execute(
        "CREATE TABLE bench_copy (key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " event_time timestamptz, session_id text, event_name text, user_id text, attributes text)"
    )
    columns = "event_time, session_id, event_name, user_id, attributes"
    commands = [
        # Quote and escape are characters that do not occur: quotes are literal in these files.
        f"\\copy bench_copy ({columns}) FROM '{path}'"
        " (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\x01', ESCAPE E'\\x01')"
        for path in sorted(lake.iterdir())
    ]
    started = time.perf_counter()
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input="\n".join(commands),
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    execute("DROP TABLE bench_copy")
    return seconds


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _first_seconds(said: str, name: str) -> float:
    """The seconds of an ETL's first transaction, which its dates share."""
    line = next(line for line in said.splitlines() if line.startswith(name))
    found = _SECONDS.search(line)
    assert found is not None, line
    return float(found[1])
