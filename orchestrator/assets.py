"""Every ETL as an asset: what it is made of, its days and checks; the code is that of etls/."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from etls.aggregates.catalogue import AGGREGATES
from etls.aggregates.streamed import as_etl
from etls.aggregates.streamed import refresh as refresh_aggregate
from etls.answers.catalogue import ANSWERS
from etls.answers.refresh import refresh as refresh_answer
from etls.catalogue import ETLS, Etl
from etls.full_refresh import Refreshed
from etls.runner import CheckFailed, run_etl
from orchestrator.settings import settings
from warehouse.environment import database_url
from warehouse.errors import UsageError
from warehouse.postgres import ETL, Connection, connect
from warehouse.queries import query

DAYS = dg.DailyPartitionsDefinition(settings().orchestrate_from, end_offset=1)  # today too
_RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)  # seconds
_CHECK_NAME = re.compile(r"SELECT\s+'([^']+)'")

Results = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]


def key_of(table: str) -> dg.AssetKey:
    """The asset of a table, as ``schema.table``."""
    return dg.AssetKey(table.split("."))


def dated_assets() -> list[dg.AssetsDefinition]:
    """The ETLs that work by date; a range of dates is one run."""
    return [
        _asset(etl, partial(_run_dates, etl), DAYS, dg.BackfillPolicy.single_run())
        for etl in ETLS.values()
    ]


def whole_assets() -> list[dg.AssetsDefinition]:
    """The tables that are made anew of all events."""
    found = []
    for aggregate in AGGREGATES.values():
        etl = as_etl(aggregate)
        refresh = partial(refresh_aggregate, aggregate=aggregate, through=None)
        found.append(_asset(etl, partial(_refresh, etl, refresh)))
    for answer in ANSWERS:
        refresh = partial(refresh_answer, answer=answer)
        found.append(_asset(answer.etl, partial(_refresh, answer.etl, refresh)))
    return found


def raw_tables(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetSpec]:
    """What the assets are made of and the consumer fills: seen from here, not made here."""
    made = {key for asset in assets for key in asset.keys}
    keys = {dep for asset in assets for spec in asset.specs for dep in _deps(spec)} - made
    return [
        dg.AssetSpec(key, group_name=key.path[0], description="Filled by the consumer")
        for key in sorted(keys)
    ]


def _deps(spec: dg.AssetSpec) -> Iterator[dg.AssetKey]:
    return (dep.asset_key for dep in spec.deps)


def _asset(
    etl: Etl,
    run: Callable[[dg.AssetExecutionContext], Results],
    days: dg.PartitionsDefinition[str] | None = None,
    backfill: dg.BackfillPolicy | None = None,
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=etl.name,
        specs=[
            dg.AssetSpec(
                key_of(etl.target),
                deps=[key_of(table) for table in etl.inputs],
                group_name=etl.schema,
                description=f"One row {etl.grain}",
                kinds={"postgres", "sql"},
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(_slug(name), asset=key_of(etl.target)) for name in _checks(etl)
        ],
        partitions_def=days,
        backfill_policy=backfill,
        retry_policy=_RETRIES,
        pool=etl.name,  # PostgreSQL would let them wait for each other anyway
    )
    def run_it(context: dg.AssetExecutionContext) -> Results:
        yield from run(context)

    return run_it


def _run_dates(etl: Etl, context: dg.AssetExecutionContext) -> Results:
    dates = [date.fromisoformat(key) for key in context.partition_keys]

    def work() -> dict[str, Any]:
        read = written = 0
        with _database() as connection:
            for run in run_etl(connection, etl, dates):
                context.log.info(str(run))
                read += run.outcome.rows_read
                written += run.outcome.rows_written
        return {"rows read": read, "rows written": written}

    return _told(etl, work)


def _refresh(
    etl: Etl, refresh: Callable[[Connection], Refreshed], _: dg.AssetExecutionContext
) -> Results:
    def work() -> dict[str, Any]:
        with _database() as connection:
            done = refresh(connection)
        outcome = done.outcome
        return {"rows read": outcome.rows_read, "rows written": outcome.rows_written}

    return _told(etl, work)


def _told(etl: Etl, work: Callable[[], dict[str, Any]]) -> Results:
    """Do it, and tell Dagster how it went. Only what may pass by itself is tried again."""
    try:
        metadata = work()
    except CheckFailed as error:
        yield from _verdicts(etl, error.broken)
        raise dg.Failure(str(error), allow_retries=False) from None
    except UsageError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    yield from _verdicts(etl, ())
    yield dg.MaterializeResult(asset_key=key_of(etl.target), metadata=metadata)


def _database() -> Any:
    return connect(database_url(), "event-orchestrator", ETL)


def _verdicts(etl: Etl, broken: Iterable[str]) -> Iterator[dg.AssetCheckResult]:
    """A result for each data check; what breaks one has not been kept."""
    for name in _checks(etl):
        yield dg.AssetCheckResult(
            passed=name not in broken,
            asset_key=key_of(etl.target),
            check_name=_slug(name),
            description=name,
        )


def _checks(etl: Etl) -> list[str]:
    if etl.name in AGGREGATES:
        return []
    return _CHECK_NAME.findall(query(etl.checks))


def _slug(name: str) -> str:
    """A check's name as Dagster takes it."""
    return re.sub(r"\W+", "_", name)
