"""Telling people that a run has failed: a POST to ``NOTIFY_URL``, as Slack and others take it."""

import json
from urllib.error import URLError
from urllib.request import Request, urlopen

import dagster as dg

from orchestrator.settings import settings

_PATIENCE = 10  # seconds


@dg.run_failure_sensor(
    name="tell_of_failures",
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
)
def tell_of_failures(context: dg.RunFailureSensorContext) -> None:
    """Say which run failed, for which dates, and why."""
    url = settings().notify_url
    if url is None:
        context.log.info("nobody to tell: NOTIFY_URL is not set")
        return
    run = context.dagster_run
    what = ", ".join(key.to_user_string() for key in run.asset_selection or ()) or run.job_name
    days = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start")
    reasons = [_reason(event) for event in context.get_step_failure_events()]
    why = "; ".join(reasons) or context.failure_event.message
    text = f"{what} {days} failed: {why}" if days else f"{what} failed: {why}"
    post(str(url), {"text": text, "run_id": run.run_id})


def post(url: str, message: dict[str, str]) -> None:
    """Send a message as JSON.

    Raises:
        dagster.Failure: nobody has taken it.
    """
    body = json.dumps(message).encode()
    request = Request(url, body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=_PATIENCE):
            pass
    except (URLError, OSError) as error:
        raise dg.Failure(f"NOTIFY_URL: {error}") from None


def _reason(event: dg.DagsterEvent) -> str:
    """The first cause: the line that a person would have seen."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else event.message or "for no known reason"
