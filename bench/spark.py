"""``main.py`` on Spark, by executors and partitions, on a cluster of private processes.

All of them share this machine's cores: what more executors would bring on machines of their own
is not seen here, only what they cost.
"""

import os
import sys

from bench.aggregates import make_file, timed
from bench.programs import execute
from stack.spark import SparkCluster

_EXECUTORS = (1, 2, 4)
_PARTITIONS = (1, 2, 4)
_INSTANCE = "bench"


def measure(rows: int = 10_000_000) -> None:
    """Print the seconds of each combination; DuckDB's first, whose rows all others must have."""
    path = make_file(rows)
    command = [sys.executable, "-m", "main", "--source", str(path)]
    print(f"\nSpark, {rows:,} rows ({os.cpu_count()} cores): seconds", flush=True)
    seconds, _ = timed([*command, "--table", "bench_activity", "--engine", "duckdb"])
    print(f"  DuckDB {seconds:6.1f}", flush=True)
    cluster = SparkCluster(_INSTANCE)
    try:
        for executors in _EXECUTORS:
            master = cluster.up(executors)
            on_spark = ["--table", "bench_spark", "--engine", "spark", "--master", master]
            for partitions in _PARTITIONS:
                settings = f"--conf spark.sql.shuffle.partitions={partitions} pyspark-shell"
                seconds, _ = timed([*command, *on_spark], PYSPARK_SUBMIT_ARGS=settings)
                differ = execute(
                    "SELECT count(*) FROM bench_activity FULL JOIN bench_spark"
                    " USING (user_id, top_workspace, longest_streak)"
                    " WHERE bench_activity IS NULL OR bench_spark IS NULL"
                )
                assert differ == [(0,)], f"{differ} rows differ"
                print(
                    f"  {executors} executors, {partitions} partitions {seconds:6.1f}", flush=True
                )
    finally:
        cluster.down()
    execute("DROP TABLE bench_activity, bench_spark")
