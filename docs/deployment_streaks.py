"""The experiment of docs/deployment.md: streaks brought forward by a batch, beside a full run.

``python -m docs.deployment_streaks`` measures ten million rows and one day, twice.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.queries import query

STATE = ("history", "totals", "runs", "result")
RESULT = "SELECT entity, top_category, longest_streak FROM result"
_SQL = Path(__file__).with_suffix(".sql")
_TABLES = """
    CREATE TABLE history (id BIGINT, entity VARCHAR, category VARCHAR, amount BIGINT, day DATE);
    CREATE TABLE totals (entity VARCHAR, category VARCHAR, n_rows BIGINT, total DECIMAL(38, 0));
    CREATE TABLE runs (entity VARCHAR, first_day DATE, last_day DATE);
    CREATE TABLE result (
        entity VARCHAR, top_category VARCHAR, longest_streak INTEGER, top_total DECIMAL(38, 0)
    );
    CREATE TABLE applied AS SELECT CAST(0 AS BIGINT) AS position;
    CREATE TABLE changes (
        position BIGINT, operation VARCHAR,
        id BIGINT, entity VARCHAR, category VARCHAR, amount BIGINT, day DATE
    );
"""
_TOTALS = """
    SELECT entity, category, count(*), sum(CAST(amount AS DECIMAL(19, 0)))
    FROM history GROUP BY entity, category
"""
_RUNS = """
    SELECT entity, min(day), max(day)
    FROM (
        SELECT
            entity, day,
            day - CAST(row_number() OVER (PARTITION BY entity ORDER BY day) AS INTEGER) AS island
        FROM (SELECT DISTINCT entity, day FROM history) AS days
    ) AS islands
    GROUP BY entity, island
"""
_N_DAYS = 400
_ROWS = """
    SELECT
        i AS id,
        lpad(CAST(hash(i) % {customers} AS VARCHAR), 8, '0') AS entity,
        'product ' || hash(i * 3) % 200 AS category,
        CAST(hash(i * 11) % 50 AS BIGINT) AS amount,
        DATE '2025-01-01' + CAST({day} AS INTEGER) AS day
    FROM range({first}, {last}) AS numbers(i)
"""
_OLD_DAY = f"hash(i * 7 + 1) % {_N_DAYS}"
_LATE_ONE_IN = 50  # rows of the batch that belong to an earlier day
_CORRECTED_ONE_IN = 40_000  # rows of history that the batch corrects or deletes, half each


def create_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the state, empty, and that of a batch."""
    connection.execute(_TABLES)


def advance(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply the batch in ``changes`` to the state: all of it, or after an error nothing."""
    with connection.cursor() as cursor:
        cursor.begin()
        cursor.execute(_SQL.read_text(encoding="utf-8"))
        cursor.commit()


def full_result(connection: duckdb.DuckDBPyConnection) -> str:
    """The project's own query over all of ``history``."""
    connection.execute("CREATE OR REPLACE TEMPORARY VIEW facts AS FROM history")
    return query("aggregates/top_and_streak")


def build_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the state from ``history``: once at the start, and after a change of the code."""
    connection.execute(f"INSERT INTO totals {_TOTALS}")
    connection.execute(f"INSERT INTO runs {_RUNS}")
    connection.execute(
        f"INSERT INTO result SELECT made.*, totals.total FROM ({full_result(connection)}) AS made"
        " INNER JOIN totals"
        " ON totals.entity = made.entity AND totals.category = made.top_category"
    )
    connection.execute("UPDATE applied SET position = (SELECT coalesce(max(id), 0) FROM history)")


def count_differences(connection: duckdb.DuckDBPyConnection) -> int:
    """How many rows only one of the two results has."""
    full = full_result(connection)
    ((n_differences,),) = connection.execute(
        f"SELECT count(*) FROM ((({full}) EXCEPT ALL {RESULT})"
        f" UNION ALL ({RESULT} EXCEPT ALL ({full})))"
    ).fetchall()
    return int(n_differences)


def _measure(n_rows: int, n_customers: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before.duckdb"
        with _open(before) as connection:
            _make_history(connection, n_rows, n_customers)
            built = _timed(lambda: build_state(connection))
            sizes = {name: _count(connection, name) for name in (*STATE, "changes")}
        print(", ".join(f"{name} {n:,}" for name, n in sizes.items()))
        print(f"state built in {built}; a file of {before.stat().st_size / 1e6:.0f} MB", flush=True)
        incremental, full = list[_Times](), list[_Times]()
        for _ in range(rounds):
            after = Path(folder) / "after.duckdb"
            shutil.copy(before, after)
            with _open(after) as connection:
                incremental.append(_timed(lambda: advance(connection)))
                full.append(_timed(lambda: _write_full(connection)))
                n_differences = count_differences(connection)
            print(
                f"incremental {incremental[-1]}, full {full[-1]}, {n_differences} rows differ",
                flush=True,
            )
        medians = [statistics.median(times.cpu for times in some) for some in (incremental, full)]
        print(f"processor seconds, medians: {medians[0]:.1f} and {medians[1]:.1f}", flush=True)


@dataclass(frozen=True)
class _Times:
    wall: float
    cpu: float  # of all threads

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.cpu:.1f} s of processors)"


def _timed(work: Callable[[], None]) -> _Times:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return _Times(time.perf_counter() - wall, time.process_time() - cpu)


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        str(path), config={"threads": 2, "memory_limit": "1GB", "preserve_insertion_order": "false"}
    )


def _make_history(connection: duckdb.DuckDBPyConnection, n_rows: int, n_customers: int) -> None:
    """All rows but one day's, and that day's batch: new rows, late ones, corrections."""
    create_state(connection)
    history = _ROWS.format(customers=n_customers, first=0, last=n_rows, day=_OLD_DAY)
    connection.execute(f"INSERT INTO history {history}")
    day = f"CASE WHEN hash(i * 13) % {_LATE_ONE_IN} = 0 THEN {_OLD_DAY} ELSE {_N_DAYS} END"
    last = n_rows + n_rows // _N_DAYS
    new = _ROWS.format(customers=n_customers, first=n_rows, last=last, day=day)
    connection.execute(f"INSERT INTO changes SELECT id, 'I', * FROM ({new})")
    connection.execute(
        f"INSERT INTO changes SELECT {last} + id, CASE WHEN id % 2 = 0 THEN 'U' ELSE 'D' END,"
        " id, entity, category, amount + 1, day"
        f" FROM history WHERE hash(id) % {_CORRECTED_ONE_IN} = 0"
    )


def _write_full(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE full_result AS {full_result(connection)}")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((n_rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(n_rows)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows-a-customer", type=int, nargs="+", default=[20, 400])
    arguments = parser.parse_args()
    for rows_of_a_customer in arguments.rows_a_customer:
        print(f"{arguments.rows:,} rows, about {rows_of_a_customer} a customer:")
        _measure(arguments.rows, arguments.rows // rows_of_a_customer, arguments.rounds)


if __name__ == "__main__":
    main()
