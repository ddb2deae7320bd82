"""The cost of ``main.py``: against the bare query in DuckDB, and in pandas and Polars if installed.

``python -m bench.aggregates NAME FILE RESULT`` is one of the others, as a process of its own, so
that its peak of memory is its own too.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from bench.programs import checkpoint, execute
from warehouse.queries import query

_ROWS, _USERS, _DAYS = 10_000_000, 500_000, 400
_MAKE = f"""
    COPY (
        SELECT
            DATE '2017-01-01' + CAST(hash(i * 7 + 1) % {_DAYS} AS INTEGER) AS active_date,
            substr(md5(CAST(hash(i) % {_USERS} AS VARCHAR)), 1, 24) AS user_id,
            substr(md5('w' || CAST(hash(i * 3) % 5000 AS VARCHAR)), 1, 24) AS workspace_id,
            CAST(hash(i * 11) % 50 AS INTEGER) AS total_activity
        FROM range({{rows}}) AS rows(i)
    ) TO '{{path}}' (HEADER)
"""


def measure(rounds: int, rows: int = _ROWS) -> None:
    """Print seconds and peak resident MB of each, in turn."""
    path = make_file(rows)
    ours = [sys.executable, "-m", "main", "--source", str(path), "--table", "bench_activity"]
    commands = {"bare DuckDB and COPY": _other("duckdb", path), "main.py": ours}
    commands["main.py --memory 512MB"] = [*ours, "--memory", "512MB"]
    for name in ("polars", "pandas"):
        if importlib.util.find_spec(name):
            commands[f"{name} and COPY"] = _other(name, path)
        else:
            print(f"{name}: not installed")
    print(f"\naggregates of {rows:,} rows: seconds, ratio to the first, peak MB")
    for number in range(rounds):
        first = None
        for name, command in commands.items():
            checkpoint()
            seconds, peak = timed(command)
            first = first or seconds
            print(
                f"round {number + 1}: {name:24} {seconds:6.1f} {seconds / first:6.2f} {peak:6.0f}"
            )
    execute("DROP TABLE bench_activity")


def make_file(rows: int) -> Path:
    """A file of activity, kept for the next time."""
    path = Path(tempfile.gettempdir()) / f"event-warehouse-bench-activity-{rows}.csv"
    if not path.exists():
        duckdb.sql(_MAKE.format(rows=rows, path=path.with_suffix(".part")))
        path.with_suffix(".part").rename(path)
    return path


def _other(name: str, path: Path) -> list[str]:
    return [sys.executable, "-m", "bench.aggregates", name, str(path)]


def timed(command: list[str], **environment: str) -> tuple[float, float]:
    """Seconds, and the peak of resident MB of the process itself."""
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said[-500:])
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def by_duckdb(path: str, result: str) -> None:
    """The same text, over the file as it is, nothing checked."""
    duckdb.execute("SET memory_limit = '1GB'; SET preserve_insertion_order = false")
    duckdb.execute(
        "CREATE VIEW facts AS SELECT user_id AS entity, workspace_id AS category,"
        f" total_activity AS amount, active_date AS day FROM read_csv('{path}')"
    )
    duckdb.execute(f"COPY ({query('aggregates/top_and_streak')}) TO '{result}' (HEADER)")


def by_pandas(path: str, result: str) -> None:
    """As somebody writes it who knows pandas."""
    pd = importlib.import_module("pandas")

    facts = pd.read_csv(path, parse_dates=["active_date"])
    totals = facts.groupby(["user_id", "workspace_id"], as_index=False)["total_activity"].sum()
    totals = totals.sort_values(
        ["user_id", "total_activity", "workspace_id"], ascending=[True, False, True]
    )
    tops = totals.drop_duplicates("user_id").set_index("user_id")["workspace_id"]
    days = (
        facts[["user_id", "active_date"]].drop_duplicates().sort_values(["user_id", "active_date"])
    )
    rank = days.groupby("user_id").cumcount()
    days["island"] = days["active_date"] - pd.to_timedelta(rank, unit="D")
    streaks = days.groupby(["user_id", "island"]).size().groupby("user_id").max()
    pd.DataFrame({"top": tops, "streak": streaks}).to_csv(result)


def by_polars(path: str, result: str) -> None:
    """As somebody writes it who knows Polars."""
    pl = importlib.import_module("polars")

    facts = pl.scan_csv(path, try_parse_dates=True)
    tops = (
        facts.group_by("user_id", "workspace_id")
        .agg(pl.col("total_activity").sum())
        .sort(["total_activity", "workspace_id"], descending=[True, False])
        .group_by("user_id")
        .agg(pl.col("workspace_id").first())
    )
    rank = pl.int_range(pl.len()).over("user_id")
    streaks = (
        facts.select("user_id", "active_date")
        .unique()
        .sort("user_id", "active_date")
        .with_columns(island=pl.col("active_date").cast(pl.Int32) - rank)
        .group_by("user_id", "island")
        .len()
        .group_by("user_id")
        .agg(pl.col("len").max())
    )
    tops.join(streaks, on="user_id").collect().write_csv(result)


_OTHERS: dict[str, Callable[[str, str], None]] = {
    "duckdb": by_duckdb,
    "pandas": by_pandas,
    "polars": by_polars,
}


def main() -> None:
    """Run one of the others, and copy its result into a table."""
    _, name, path = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        result = f"{folder}/result.csv"
        _OTHERS[name](path, result)
        execute("DROP TABLE IF EXISTS public.bench_other")
        execute(
            "CREATE TABLE public.bench_other"
            " (user_id text PRIMARY KEY, top_workspace text, longest_streak integer)"
        )
        copy = f"\\copy public.bench_other FROM '{result}' (FORMAT csv, HEADER)"
        subprocess.run(["psql", "-X", "-q", "-c", copy], check=True)


if __name__ == "__main__":
    main()
