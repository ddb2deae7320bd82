"""The weekly examination of whole tables; a run examines no more than it has touched."""

import dagster as dg

from etls.catalogue import ETLS
from etls.verify import verify
from warehouse.environment import database_url
from warehouse.postgres import ETL, connect


@dg.op
def verify_tables(context: dg.OpExecutionContext) -> None:
    """Do what ``make verify`` does; fail if a table is wrong."""
    broken = []
    with connect(database_url(), "event-orchestrator", ETL) as connection:
        for etl in ETLS.values():
            verified = verify(connection, etl)
            context.log.info(str(verified))
            if not verified.is_sound:
                broken.append("\n".join([str(verified), *verified.remedies]))
    if broken:
        raise dg.Failure("\n".join(broken), allow_retries=False)


@dg.job
def verification() -> None:
    """Examine the tables of the dated ETLs as a whole."""
    verify_tables()  # pylint: disable=no-value-for-parameter  # Dagster gives the context


every_week = dg.ScheduleDefinition(
    name="every_week",
    job=verification,
    cron_schedule="0 4 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
