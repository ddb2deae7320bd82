"""The cost tables of docs/deployment.md, recomputed from rates and prices.

``python -m docs.deployment_costs`` prints them. Rates were measured (docs/benchmarks.md, and the
experiment of docs/deployment_streaks.py). Prices are assumptions: public list prices of one region
(us-east-1) in US dollars, as remembered in November 2026, without taxes, discounts or free tiers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

HOURS, DAYS = 730.0, 30.4  # of a month
YEARS = 3  # of history in each size

# Measured, on cores of AMD EPYC
FULL_RATE = 155_000  # rows of history a second and core: DuckDB, 100 million rows, 1 GB of memory
INCREMENTAL_RATE = 1_500_000  # rows of history a second and core: one day applied to the state
SPARK_RATE = 30_000  # rows of history a second and core
STATE_BYTES = 27  # of the state's file, a row of history; an upper bound: history is in it too
PARQUET_BYTES = 13  # of a Parquet file, a row of history

# Assumed
EFFICIENCY = 0.5  # of many cores, and of the network's disk, against the cores measured
TASK_START = 90  # seconds to fetch an image and start
TRANSFER = 200e6  # bytes a second between a task and S3
TEXT_FACTOR = 1.5  # ids and names are longer than those of the measurement
HISTORY_FACTOR = (
    1.2  # history itself, 30 days of its old snapshots, 35 days of changes as they came
)
ID_SHARE = 0.5  # of the bytes of history are ids
COMPACTED = 0.5  # of history is read again in a month, when small files are joined
STATE_VERSIONS = 2  # kept
RESULT_VERSIONS = 30
RESULT_BYTES = 10  # of a Parquet file, a customer
ROWS_A_CUSTOMER = 400

PRICES = {
    "vpn_hour": 0.05,
    "direct_connect_hour": 0.30,  # a port of 1 Gbit/s
    "endpoint_hour": 0.01,  # an interface endpoint in one zone
    "dms_medium_hour": 0.073,
    "dms_large_hour": 0.21,
    "dms_2xlarge_hour": 0.84,
    "s3_gb_month": 0.023,
    "s3_copy_gb": 0.02,  # into another region
    "fargate_vcpu_hour": 0.04048,
    "fargate_gb_hour": 0.004445,
    "emr_vcpu_hour": 0.052624,
    "emr_gb_hour": 0.0057785,
    "athena_tb": 5.0,
    "logs_gb": 0.50,
    "metric_month": 0.30,
    "alarm_month": 0.10,
    "key_month": 1.0,
    "secret_month": 0.40,
    "aurora_unit_hour": 0.12,
    "mq_node_hour": 0.28,
    "rds_two_zones_hour": 0.45,
    "rds_gb_month": 0.23,
}


@dataclass(frozen=True)
class Size:
    """An amount of data, and what is set up for it."""

    name: str
    rows: int
    buckets: int
    cores: int  # of a task
    memory: int  # GB of a task
    incremental: bool
    capture: tuple[str, int]  # the price of a DMS instance, and how many
    links: tuple[tuple[str, int], ...]
    queries: int  # a day
    query_gb: float
    metrics: int
    log_gb: float

    @property
    def rows_a_day(self) -> float:
        """As if the rows had come evenly."""
        return self.rows / (YEARS * 365)

    def task_seconds(self, incremental: bool) -> float:
        """Of one bucket, one day."""
        rate = INCREMENTAL_RATE if incremental else FULL_RATE
        computing = self.rows / self.buckets / (rate * self.cores * EFFICIENCY)
        moved = self.rows / self.buckets * (2 * STATE_BYTES if incremental else PARQUET_BYTES)
        return TASK_START + computing + moved * TEXT_FACTOR / TRANSFER

    def vcpu_hours(self, incremental: bool) -> float:
        """Of all buckets, one day."""
        return self.buckets * self.cores * self.task_seconds(incremental) / 3600

    @property
    def state_gb(self) -> float:
        """All versions that are kept."""
        if not self.incremental:
            return 0.0
        return self.rows * STATE_VERSIONS * STATE_BYTES * TEXT_FACTOR / 1e9

    @property
    def stored_gb(self) -> float:
        """Changes as they came, history, states and results."""
        row_bytes = HISTORY_FACTOR * PARQUET_BYTES * TEXT_FACTOR
        results = RESULT_VERSIONS * RESULT_BYTES / ROWS_A_CUSTOMER
        return self.state_gb + self.rows * (row_bytes + results) / 1e9

    @property
    def copied_gb(self) -> float:
        """In the second region: changes, history and the last result; the rest is made of them."""
        row_bytes = HISTORY_FACTOR * PARQUET_BYTES * TEXT_FACTOR + RESULT_BYTES / ROWS_A_CUSTOMER
        return self.rows * row_bytes / 1e9


SIZES = (
    Size(
        name="10 million",
        rows=10_000_000,
        buckets=1,
        cores=2,
        memory=8,
        incremental=False,
        capture=("dms_medium_hour", 1),
        links=(("vpn_hour", 1),),
        queries=500,
        query_gb=0.01,
        metrics=20,
        log_gb=1,
    ),
    Size(
        name="1 billion",
        rows=1_000_000_000,
        buckets=1,
        cores=16,
        memory=64,
        incremental=False,
        capture=("dms_large_hour", 2),
        links=(("vpn_hour", 2),),
        queries=2_000,
        query_gb=0.1,
        metrics=40,
        log_gb=5,
    ),
    Size(
        name="100 billion",
        rows=100_000_000_000,
        buckets=256,
        cores=4,
        memory=16,
        incremental=True,
        capture=("dms_2xlarge_hour", 2),
        links=(("direct_connect_hour", 2), ("vpn_hour", 2)),
        queries=5_000,
        query_gb=2.0,
        metrics=100,
        log_gb=50,
    ),
)


def _links(size: Size) -> float:
    return HOURS * (
        sum(PRICES[name] * n for name, n in size.links) + 2 * 6 * PRICES["endpoint_hour"]
    )


def _capture(size: Size) -> float:
    name, n = size.capture
    return HOURS * PRICES[name] * n


def _storage(size: Size) -> float:
    return size.stored_gb * PRICES["s3_gb_month"]


def _merging(size: Size) -> float:
    """Athena reads the ids of history twice a day, and the batch; and some files to join them."""
    history = size.rows * PARQUET_BYTES * TEXT_FACTOR
    batch = size.rows_a_day * PARQUET_BYTES * TEXT_FACTOR
    scanned = DAYS * (2 * ID_SHARE * history + batch) + COMPACTED * history
    return scanned / 1e12 * PRICES["athena_tb"]


def _computing(size: Size) -> float:
    comparison = _spark_run(size) if size.incremental else 0.0
    return _daily_runs(size, size.incremental) + comparison


def _daily_runs(size: Size, incremental: bool) -> float:
    memory = size.memory / size.cores * PRICES["fargate_gb_hour"]
    return DAYS * size.vcpu_hours(incremental) * (PRICES["fargate_vcpu_hour"] + memory)


def _spark_run(size: Size) -> float:
    """One full run by Spark: the monthly comparison of a size that is brought forward daily."""
    vcpu_hours = size.rows / SPARK_RATE / 3600
    return vcpu_hours * (PRICES["emr_vcpu_hour"] + 4 * PRICES["emr_gb_hour"])


def _queries(size: Size) -> float:
    return DAYS * size.queries * size.query_gb / 1e3 * PRICES["athena_tb"]


def _watching(size: Size) -> float:
    return (
        size.log_gb * PRICES["logs_gb"]
        + size.metrics * PRICES["metric_month"]
        + 12 * PRICES["alarm_month"]
        + 4 * PRICES["key_month"]
        + 4 * PRICES["secret_month"]
    )


def _second_region(size: Size) -> float:
    new_gb = size.copied_gb / (YEARS * 12)
    return size.copied_gb * PRICES["s3_gb_month"] + new_gb * PRICES["s3_copy_gb"]


_PARTS: Mapping[str, Callable[[Size], float]] = {
    "Private link and endpoints": _links,
    "DMS": _capture,
    "S3": _storage,
    "Merging into history (Athena)": _merging,
    "Computing (Fargate; EMR once a month)": _computing,
    "Queries (Athena)": _queries,
    "CloudWatch, KMS, secrets": _watching,
    "Second region": _second_region,
}


def monthly_cost(size: Size) -> float:
    """Dollars, all parts."""
    return sum(part(size) for part in _PARTS.values())


def cost_table() -> str:
    """Dollars a month of each part and size."""
    lines = [_row("Part", *(f"{size.name} rows" for size in SIZES)), "|---|--:|--:|--:|"]
    for name, part in _PARTS.items():
        lines.append(_row(name, *(_dollars(part(size)) for size in SIZES)))
    lines.append(_row("**Total**", *(f"**{_dollars(monthly_cost(size))}**" for size in SIZES)))
    return "\n".join(lines)


def size_table() -> str:
    """What each size needs, by the measured rates."""
    rows: dict[str, Callable[[Size], str]] = {
        "Rows a day": lambda size: f"{size.rows_a_day:,.0f}",
        "Tasks": lambda size: f"{size.buckets} of {size.cores} vCPU, {size.memory} GB",
        "Proposed daily run": lambda size: "from the state" if size.incremental else "full",
        "Full run, one task": lambda size: f"{size.task_seconds(False) / 60:,.0f} min",
        "Full run, vCPU hours": lambda size: f"{size.vcpu_hours(False):,.1f}",
        "Full runs, dollars a month": lambda size: _dollars(_daily_runs(size, False)),
        "From the state, one task": lambda size: f"{size.task_seconds(True) / 60:,.0f} min",
        "From the state, vCPU hours": lambda size: f"{size.vcpu_hours(True):,.1f}",
        "From the state, dollars a month": lambda size: _dollars(_daily_runs(size, True)),
        "State on S3": lambda size: f"{size.state_gb:,.0f} GB" if size.incremental else "none",
        "All on S3": lambda size: f"{size.stored_gb:,.1f} GB",
        "One full run by Spark, vCPU hours": lambda size: f"{size.rows / SPARK_RATE / 3600:,.1f}",
        "One full run by Spark, dollars": lambda size: _dollars(_spark_run(size)),
    }
    lines = [_row("Need", *(f"{size.name} rows" for size in SIZES)), "|---|--:|--:|--:|"]
    lines += [_row(name, *(text(size) for size in SIZES)) for name, text in rows.items()]
    return "\n".join(lines)


def option_cost() -> float:
    """Dollars a month of one capacity unit of Aurora, all the time."""
    return HOURS * PRICES["aurora_unit_hour"]


def service_table() -> str:
    """Dollars a month of the event service in the same cloud."""
    core_hour = PRICES["fargate_vcpu_hour"] + 2 * PRICES["fargate_gb_hour"]
    parts = {
        "Amazon MQ, three nodes (2 vCPU, 8 GB each)": 3 * HOURS * PRICES["mq_node_hour"],
        "RDS for PostgreSQL, two zones (2 vCPU, 16 GB)": HOURS * PRICES["rds_two_zones_hour"],
        "Its storage, 500 GB": 500 * PRICES["rds_gb_month"],
        "Two consumers, one orchestrator (1 vCPU, 2 GB each)": 3 * HOURS * core_hour,
        "Logs, metrics, secrets": 5 * PRICES["logs_gb"]
        + 30 * PRICES["metric_month"]
        + 6 * PRICES["secret_month"],
    }
    lines = [_row("Part", "Dollars a month"), "|---|--:|"]
    lines += [_row(name, _dollars(dollars)) for name, dollars in parts.items()]
    lines.append(_row("**Total**", f"**{_dollars(sum(parts.values()))}**"))
    return "\n".join(lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "sizes": size_table,
    "costs": cost_table,
    "service": service_table,
}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}"


def main() -> None:
    """Print all tables."""
    for name, table in TABLES.items():
        print(f"{name}\n{table()}\n")
    print(f"option: Aurora, {_dollars(option_cost())} dollars a month")


if __name__ == "__main__":
    main()
