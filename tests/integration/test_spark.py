"""Apache Spark on a real cluster: the same as DuckDB, whatever is killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etls.aggregates.duckdb_engine import DuckDB
from etls.aggregates.engines import Engine
from etls.aggregates.progress import Progress
from etls.aggregates.sources import open_sources
from etls.aggregates.target import Target
from stack.spark import SparkCluster
from tests.integration.conftest import Database, run

if shutil.which("java") is None or find_spec("pyspark") is None:
    pytest.skip("Spark needs Java and PySpark", allow_module_level=True)

pytestmark = pytest.mark.timeout(600)  # seconds: every run starts a virtual machine or two


@pytest.fixture(scope="module", name="cluster")
def _cluster() -> Iterator[tuple[str, Path]]:
    """The address of a master with two workers, and where their executors work."""
    cluster = SparkCluster(f"test-{os.getpid()}")
    try:
        yield cluster.up(workers=2), cluster.work
    finally:
        cluster.down()


@pytest.fixture(name="tables")
def _tables(database: Database) -> Iterator[Database]:
    names = "public.by_duckdb, public.by_spark"
    database.rows(f"DROP TABLE IF EXISTS {names}")
    yield database
    database.rows(f"DROP TABLE IF EXISTS {names}")


def write_transactions(path: Path, rows: int) -> Path:
    """Random rows with many ties and gaps, some of them bad."""
    dice = random.Random(rows)
    with path.open("w", encoding="utf-8") as file:
        file.write("transactionId|custId|transactionDate|productSold|unitsSold\n")
        for number in range(rows):
            day = date(2020, 2, 1) + timedelta(days=dice.randrange(40))
            product = dice.choice(("a", "A", "ä", "b", '"b|c"', "z "))
            units = dice.choice((-1, 0, 1, 2**62, "+1", "007", "much", ""))
            written = dice.choice((day, day, day, day, "2020-02-30", "0000-01-01"))
            file.write(f"{number}|{dice.randrange(rows // 8):06}|{written}|{product}|{units}\n")
        file.write("too|few\n1|2|3|4|5|6\n\n")
    return path


def by_duckdb(path: Path) -> str:
    """Rows in, users out, and rejected, as DuckDB says."""
    done = run("main", "--source", str(path), "--table", "by_duckdb", "--engine", "duckdb")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].partition(": ")[2].rpartition(", ")[0]


def spark_command(path: Path, master: str) -> list[str]:
    return ["main", "--source", str(path), "--table", "by_spark", "--engine", "spark"] + [
        "--master",
        master,
    ]


def assert_same(tables: Database) -> None:
    for one, other in (("by_duckdb", "by_spark"), ("by_spark", "by_duckdb")):
        assert tables.rows(f"TABLE {one} EXCEPT TABLE {other}") == []
    assert tables.rows("SELECT relname FROM pg_class WHERE relname LIKE 'staging\\_%'") == []


def test_both_engines_give_the_same(
    tables: Database, cluster: tuple[str, Path], tmp_path: Path
) -> None:
    path = write_transactions(tmp_path / "t.csv", 20_000)
    done = run(*spark_command(path, cluster[0]))
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1].partition(": ")[2].rpartition(", ")[0]
    assert last == by_duckdb(path)
    assert_same(tables)
    assert tables.count("by_spark") > 2000


def test_a_killed_executor_changes_nothing(
    tables: Database, cluster: tuple[str, Path], tmp_path: Path
) -> None:
    path = write_transactions(tmp_path / "t.csv", 200_000)
    by_duckdb(path)
    with started(spark_command(path, cluster[0]), tmp_path / "log") as process:
        until(lambda: bool(executors(cluster[1])), process)  # the last one to be seen may be done
        time.sleep(2)
        os.kill(executors(cluster[1])[0], signal.SIGKILL)
        assert process.wait(300) == 0, (tmp_path / "log").read_text("utf-8")
    assert_same(tables)


def test_a_killed_driver_leaves_the_table_and_a_retry_is_right(
    tables: Database, cluster: tuple[str, Path], tmp_path: Path
) -> None:
    small, path = write_transactions(tmp_path / "s.csv", 800), tmp_path / "t.csv"
    assert run(*spark_command(small, "local[2]")).returncode == 0
    before = tables.rows("TABLE by_spark ORDER BY 1")
    write_transactions(path, 200_000)
    with started(spark_command(path, cluster[0]), tmp_path / "log") as process:
        until(lambda: staged(tables) > 0, process)
        os.killpg(process.pid, signal.SIGKILL)
    assert tables.rows("TABLE by_spark ORDER BY 1") == before
    done = run(*spark_command(path, cluster[0]))
    assert done.returncode == 0, done.stderr
    by_duckdb(path)
    assert_same(tables)


@pytest.fixture(scope="module", name="engine")
def _engine() -> Iterator[Callable[[Path, Target], Engine]]:
    """Makes engines on one machine; Java is started once for all of them."""
    from etls.aggregates.spark_engine import Spark  # pylint: disable=import-outside-toplevel

    made: list[Engine] = []

    def make(path: Path, target: Target) -> Engine:
        made.append(Spark(open_sources([str(path)], None), target, "local[1]", Progress()))
        return made[-1]

    yield make
    made[-1].close()


FACTS = st.lists(
    st.tuples(
        st.sampled_from(["1", "01", "x"]),
        st.integers(0, 12),  # days
        st.sampled_from(["a", "A", "ä", "b", "", '"q|""r"', " s"]),
        st.sampled_from(["-1", "0", "1", "+2", "007", str(2**62), str(2**63), "1.5", ""]),
    ),
    min_size=1,
    max_size=40,
)


@settings(
    max_examples=max(3, int(os.environ.get("PROPERTY_EXAMPLES", "60")) // 6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(facts=FACTS)
def test_random_rows_give_the_same_tie_for_tie(
    tables: Database,
    engine: Callable[[Path, Target], Engine],
    tmp_path: Path,
    facts: list[tuple[str, int, str, str]],
) -> None:
    path = tmp_path / f"{time.monotonic_ns()}.csv"  # Spark remembers what it has read
    lines = [
        f"{number}|{user}|{date(2020, 2, 20) + timedelta(days=day)}|{product}|{units}\n"
        for number, (user, day, product, units) in enumerate(facts)
    ]
    header = "transactionId|custId|transactionDate|productSold|unitsSold\n"
    path.write_text(header + "".join(lines), encoding="utf-8")
    sources = open_sources([str(path)], None)
    counts = []
    for name in ("by_duckdb", "by_spark"):
        with Target(None, name, sources.aggregate.columns) as target:
            if name == "by_duckdb":
                one: Engine = DuckDB(sources, target, "1GB", tmp_path, Progress())
            else:
                one = engine(path, target)
            counts.append((one.run(), one.n_rows, one.n_bad))
            one.publish()
    assert counts[0] == counts[1]
    assert_same(tables)


def started(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", *command], stdout=out, stderr=out, start_new_session=True
        )


def until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def staged(tables: Database) -> int:
    """How many rows are in a staging table."""
    names = tables.rows(
        "SELECT relname::text FROM pg_class WHERE relname LIKE 'staging\\_%' AND relkind = 'r'"
    )
    return sum(tables.count(f"public.{name}") for (name,) in names)


def executors(work: Path) -> list[int]:
    """The processes that work in the cluster's folder."""
    found = []
    work = work.resolve()  # .local may be a link
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inside = Path(os.readlink(entry / "cwd")).is_relative_to(work)
            if inside and b"CoarseGrainedExecutorBackend" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
