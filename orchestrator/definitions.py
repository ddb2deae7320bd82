"""What Dagster runs: the assets, the day before every night, stale dates as they are found, and the
examination of whole tables every week."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from etls.catalogue import ETLS
from etls.run_log import DateStatus, date_statuses
from orchestrator.assets import DAYS, dated_assets, key_of, raw_tables, whole_assets
from orchestrator.notify import tell_of_failures
from orchestrator.settings import settings
from orchestrator.verification import every_week, verification
from warehouse.environment import database_url
from warehouse.postgres import ETL, connect

_DATED, _WHOLE = dated_assets(), whole_assets()
_RUNNING = dg.DefaultScheduleStatus.RUNNING

# pylint: disable=assignment-from-no-return  # as it reads Dagster
daily = dg.define_asset_job("daily", selection=_DATED)
anew = dg.define_asset_job("anew", selection=_WHOLE)
# pylint: enable=assignment-from-no-return


@dg.schedule(job=daily, cron_schedule="0 1 * * *", default_status=_RUNNING)
def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the day that has just ended; the last partition is today, which has not."""
    yesterday = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(partition_key=yesterday.isoformat())


@dg.sensor(
    job=daily,
    minimum_interval_seconds=settings().orchestrate_stale_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stale_dates(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run of each date that has events its last run has not seen; once for each."""
    days = set(DAYS.get_partition_keys())
    found = 0
    with connect(database_url(), "event-orchestrator", ETL) as connection:
        for etl in ETLS.values():
            with connection, connection.cursor() as cursor:
                stale = [status for status in date_statuses(cursor, etl) if status.is_stale]
            for status in stale:
                day = status.import_date.isoformat()
                if day not in days:
                    context.log.warning(f"{etl.name} {day} lies outside the partitions")
                    continue
                found += 1
                yield dg.RunRequest(
                    run_key=f"{etl.name} {_as_it_is(status)}",
                    partition_key=day,
                    asset_selection=[key_of(etl.target)],
                )
    if not found:
        yield dg.SkipReason("no date is stale")


def _as_it_is(status: DateStatus) -> str:
    """Another text as soon as there is something new."""
    return f"{status.import_date} {status.finished_at} {status.n_new} {status.is_outdated}"


defs = dg.Definitions(
    assets=[*_DATED, *_WHOLE, *raw_tables([*_DATED, *_WHOLE])],
    jobs=[daily, anew, verification],
    schedules=[
        every_night,
        every_week,
        dg.ScheduleDefinition(
            name="every_morning", job=anew, cron_schedule="0 3 * * *", default_status=_RUNNING
        ),
    ],
    sensors=[stale_dates, tell_of_failures],
    executor=dg.in_process_executor,  # a run is one step, and one transaction or a few
)
