"""The orchestrator: the same as ``python -m etls``, asked by Dagster."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etls.aggregates.catalogue import AGGREGATES
from etls.answers.catalogue import ANSWERS
from etls.catalogue import ETLS
from orchestrator.assets import dated_assets
from orchestrator.definitions import defs, every_night, stale_dates
from orchestrator.notify import tell_of_failures
from orchestrator.settings import settings
from orchestrator.verification import every_week, verification
from tests.builders import SAMPLES
from tests.integration.conftest import Consumer, Database, run

pytestmark = [
    pytest.mark.filterwarnings("ignore:::dagster.*"),
    pytest.mark.filterwarnings("default::ResourceWarning"),
]

DAY, LAST = "2020-12-05", "2020-12-11"
TABLES = ("crm.users_dim", "reports.user_events_daily")


@pytest.fixture(name="imported")
def _imported(database: Database, consumer: Consumer) -> Database:
    """A week of user events, of which no ETL has seen anything."""
    assert consumer
    assert run("producer", str(SAMPLES / "user_events.csv")).returncode == 0
    return database


def contents(database: Database) -> list[list[tuple[Any, ...]]]:
    return [sorted(database.rows(f"SELECT t::text FROM {table} AS t")) for table in TABLES]


def test_every_etl_is_an_asset_with_its_inputs_and_checks() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    etls = [*ETLS.values(), *(answer.etl for answer in ANSWERS)]
    for etl in etls:
        spec = specs[etl.target.replace(".", "/")]
        assert {d.asset_key.to_user_string() for d in spec.deps} == {
            name.replace(".", "/") for name in etl.inputs
        }
        assert (spec.partitions_def is not None) == (etl.name in ETLS)
    assert {f"reports/{name}" for name in AGGREGATES} <= set(specs)
    checks = {key.asset_key.path[-1] for key in defs.resolve_asset_graph().asset_check_keys}
    assert checks == {etl.name for etl in etls}


def test_a_week_filled_by_the_orchestrator_is_the_week_of_the_command_line(
    imported: Database, tmp_path: Path
) -> None:
    done = run("etls", "run", "users_dim", "user_events_daily", "--from", DAY, "--to", LAST)
    assert done.returncode == 0, done.stderr
    expected = contents(imported)
    imported.rows(f"TRUNCATE {', '.join(TABLES)}, crm.user_repeats, meta.etl_runs CASCADE")
    command = "asset materialize -m orchestrator.definitions --partition-range"
    select = ["--select", "crm/users_dim,reports/user_events_daily"]
    backfill = subprocess.run(
        [sys.executable, "-m", "dagster", *command.split(), f"{DAY}...{LAST}", *select],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert backfill.returncode == 0, backfill.stderr
    assert contents(imported) == expected
    assert imported.count("meta.etl_runs") == 14


def test_what_breaks_a_check_fails_says_why_and_is_not_tried_again(imported: Database) -> None:
    (daily,) = [asset for asset in dated_assets() if asset.key.path[-1] == "user_events_daily"]
    imported.rows(
        "CREATE FUNCTION public.swindle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.n_created := NEW.n_created + 1; RETURN NEW; END$$"
    )
    imported.rows(
        "CREATE TRIGGER swindle BEFORE INSERT ON reports.user_events_daily"
        " FOR EACH ROW EXECUTE FUNCTION public.swindle()"
    )
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [daily], partition_key=DAY, instance=instance, raise_on_error=False
            )
            verdicts = result.get_asset_check_evaluations()
    finally:
        imported.rows("DROP FUNCTION public.swindle CASCADE")
    assert not result.success
    assert [v.check_name for v in verdicts if not v.passed] == [
        "the_counts_by_type_add_up_to_the_total"
    ]
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "breaks a check: the counts by type add up to the total" in str(
        failure.step_failure_data.error
    )
    assert imported.count("reports.user_events_daily") == 0


def test_stale_dates_are_asked_for_once(imported: Database) -> None:
    def asked() -> list[dg.RunRequest]:
        with dg.build_sensor_context() as context:
            found = stale_dates(context)
            assert isinstance(found, Iterator)
            return [one for one in found if isinstance(one, dg.RunRequest)]

    first = asked()
    assert len(first) == 14
    assert {
        (r.partition_key, r.asset_selection[0].path[-1]) for r in first if r.asset_selection
    } >= {
        (DAY, "users_dim"),
        (LAST, "user_events_daily"),
    }
    assert [r.run_key for r in asked()] == [r.run_key for r in first], "Dagster knows them by these"
    done = run("etls", "run", "users_dim", "user_events_daily", "--stale")
    assert done.returncode == 0, done.stderr
    assert asked() == []
    imported.rows(
        "INSERT INTO raw.user_events (event_id, imported_at, line, id, event_type, received_at)"
        " VALUES (gen_random_uuid(), now(), 1, 'late', 'User Created', '2020-12-05 10:00Z')"
    )
    late = asked()
    assert len(late) == 2 and not {r.run_key for r in late} & {r.run_key for r in first}


def test_every_week_whole_tables_are_examined_and_damage_fails(imported: Database) -> None:
    assert every_week in (defs.schedules or ()) and every_week.cron_schedule == "0 4 * * 0"
    assert run("etls", "run", "users_dim", "user_events_daily", "--stale").returncode == 0
    with dg.DagsterInstance.ephemeral() as instance:
        assert verification.execute_in_process(instance=instance).success
        imported.rows("UPDATE crm.users_dim_past SET valid_to = valid_to + INTERVAL '1 minute'")
        result = verification.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "WRONG a version ends where the next one begins" in str(failure.step_failure_data.error)


def test_every_night_the_day_before_is_run() -> None:
    at = datetime(2020, 12, 6, 1, tzinfo=timezone.utc)
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        asked = every_night(context)
    assert isinstance(asked, dg.RunRequest) and asked.partition_key == DAY


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An address on loopback, and what was posted there."""
    heard: list[dict[str, str]] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # pylint: disable=invalid-name  # the library's
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:  # pylint: disable=arguments-differ
            pass

    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", heard
        finally:
            server.shutdown()
            thread.join()


def test_people_are_told_which_run_failed_and_why(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (daily,) = [asset for asset in dated_assets() if asset.key.path[-1] == "user_events_daily"]
    database.rows("INSERT INTO meta.pruned (feed, before) VALUES ('raw.user_events', '2021-01-01')")
    with listening() as (url, heard), dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("NOTIFY_URL", url)
        settings.cache_clear()
        result = dg.materialize([daily], partition_key=DAY, instance=instance, raise_on_error=False)
        (event,) = [e for e in result.all_events if e.is_run_failure]
        context = dg.build_run_status_sensor_context(
            sensor_name="tell_of_failures",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=event,
        ).for_run_failure()
        tell_of_failures(context)
    settings.cache_clear()
    assert len(heard) == 1
    message = heard[0]
    assert message["run_id"] == result.run_id
    assert (
        DAY in message["text"]
        and "the events before 2021-01-01 have been pruned" in message["text"]
    )
