"""The distributed engine: Apache Spark, for files that outgrow one machine.

Executors read, check and aggregate, and write their parts of the result into a staging table, each
in a transaction of its own; the driver swaps it in. A part that is tried again replaces itself, so
killing an executor, or the driver, leaves the table as it was, and a retry is right.
"""

import os
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, get_type_hints

from etls.aggregates.contract import BadRow
from etls.aggregates.progress import Progress
from etls.aggregates.sources import Layout, Sources
from etls.aggregates.target import Staging, Target
from feeds.core.types import CalendarDate, HexId, Integer, Text
from warehouse.errors import UsageError, WarehouseError
from warehouse.queries import query

try:
    from pyspark import StorageLevel, TaskContext
    from pyspark.errors import PySparkException
    from pyspark.sql import Column, DataFrame, Row, SparkSession
    from pyspark.sql import functions as f
    from pyspark.sql.types import StringType, StructField, StructType
except ImportError:
    raise UsageError(
        "--engine spark needs an extra: pip install 'event-warehouse[spark]'"
    ) from None

_CORRUPT = "_corrupt"
_PARTITIONS_PER_CORE = 4
_LOOPBACK = "127.0.0.1"
_HOUSE = Path(__file__).resolve().parents[2]
_QUIET = Path(__file__).with_name("log4j2.properties")


class Spark:
    """The facts of some files, and the aggregate of these."""

    def __init__(self, sources: Sources, target: Target, master: str, progress: Progress) -> None:
        self._sources = sources
        self._target = target
        self._progress = progress
        self._staging: Staging | None = None
        self._session = _session(master)
        self.n_rows = 0
        self.n_bad = 0

    def run(self) -> int:
        """Write the aggregate into a staging table; how many rows that are.

        Raises:
            WarehouseError: the job failed; the table is as it was.
        """
        self._staging = self._target.open_staging()
        try:
            with self._progress.phase("reading"):
                lines = self._lines().persist(StorageLevel.DISK_ONLY)
                self.n_rows = lines.count()
                facts = lines.where("day IS NOT NULL")
                self.n_bad = self.n_rows - facts.count()
            facts.createOrReplaceTempView("facts")
            with self._progress.phase("totals and streaks"):
                result = self._session.sql(query("aggregates/top_and_streak"))
                result.foreachPartition(_writer(self._staging))
            return self._target.count_staged(self._staging)
        except PySparkException as error:
            raise WarehouseError(f"Spark: {str(error).splitlines()[0]}") from None

    def publish(self) -> None:
        """Put the staged rows in the place of the table's."""
        assert self._staging is not None
        self._target.replace_by_staging(self._staging)
        self._staging = None

    def bad_parquet_rows(self) -> Iterator[BadRow]:
        """None is named: rows of Parquet have no lines, and Spark does not number them."""
        return iter(())

    def close(self) -> None:
        """Leave the cluster, and nothing behind."""
        if self._staging is not None:
            self._target.drop_staging(self._staging)
        self._session.stop()

    def _lines(self) -> DataFrame:
        """The facts of each row; those of a bad one have no day."""
        parts = [self._texts(layout, paths) for layout, paths in self._sources.texts.items()]
        if self._sources.parquets:
            parts.append(self._session.read.parquet(*self._sources.parquets))
        return reduce(DataFrame.unionByName, map(self._facts, parts))

    def _texts(self, layout: Layout, paths: list[str]) -> DataFrame:
        fields = [StructField(name, StringType()) for name in (*layout.header, _CORRUPT)]
        return self._session.read.csv(
            paths,
            schema=StructType(fields),
            sep=layout.delimiter,
            quote='"',
            escape='"',
            header=True,
            enforceSchema=True,
            mode="PERMISSIVE",
            columnNameOfCorruptRecord=_CORRUPT,
        )

    def _facts(self, rows: DataFrame) -> DataFrame:
        aggregate, feed = self._sources.aggregate, self._sources.aggregate.feed
        names = dict(zip(feed.columns, feed.header))
        if not set(feed.header) <= set(rows.columns):
            names = {column: column for column in feed.columns}
        hints = get_type_hints(feed.model, include_extras=True)
        texts = {column: f.col(name).cast("string") for column, name in names.items()}
        is_good = f.lit(True)
        for column, text in texts.items():
            is_good = is_good & f.coalesce(_is_good(hints[column], text), f.lit(False))
        if _CORRUPT in rows.columns:
            is_good = is_good & f.col(_CORRUPT).isNull()
        return rows.select(
            texts[aggregate.entity].alias("entity"),
            texts[aggregate.category].alias("category"),
            f.when(is_good, texts[aggregate.amount].try_cast("bigint")).alias("amount"),
            f.when(is_good, texts[aggregate.day].try_cast("date")).alias("day"),
        )


def _is_good(hint: Any, text: Column) -> Column:
    """Whether a text keeps the contract; the model in feeds/ says the same."""
    if hint == CalendarDate:
        is_form = text.rlike(r"^(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}\z")
        return is_form & text.try_cast("date").isNotNull()
    if hint == HexId:
        return text.rlike(r"^[0-9a-fA-F]{24}\z")
    if hint == Integer:
        return text.rlike(r"^[+-]?[0-9]{1,19}\z") & text.try_cast("bigint").isNotNull()
    assert hint == Text
    return (text != "") & ~text.contains("\x00")


def _writer(staging: Staging) -> Any:
    def write(rows: Iterator[Row]) -> None:
        context = TaskContext.get()
        assert context is not None
        staging.write_part(context.partitionId(), map(tuple, rows))

    return write


def _session(master: str) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    path = os.pathsep.join([str(_HOUSE), os.environ.get("PYTHONPATH", "")])
    builder = SparkSession.builder
    if master.startswith(("local", f"spark://{_LOOPBACK}")):  # then nobody else need reach us
        builder = builder.config("spark.driver.host", _LOOPBACK)
    session: SparkSession = (
        builder.master(master)
        .appName("event-aggregate")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.csv.parser.columnPruning.enabled", "false")  # or it misses bad rows
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.executorEnv.PYTHONPATH", path)
        .config("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={_QUIET.as_uri()}")
        .getOrCreate()
    )
    if session.conf.get("spark.sql.shuffle.partitions") == "200":  # nobody has set it
        partitions = _PARTITIONS_PER_CORE * session.sparkContext.defaultParallelism
        session.conf.set("spark.sql.shuffle.partitions", partitions)
    return session
