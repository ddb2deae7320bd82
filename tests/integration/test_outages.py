"""Services that stop and come back while events flow: nothing lost, nothing doubled.

These tests stop the servers that ``make test`` has started for them.
"""

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from stack.local import LocalStack
from tests.builders import UserEvent, write_csv
from tests.integration.conftest import (
    Broker,
    Consumer,
    Database,
    eventually,
    run,
    running_consumer,
    running_etl,
    running_producer,
)
from tests.integration.test_ingestion import many_events, stored_exactly
from warehouse.postgres import connect, open_connection, wait_for

COUNT = 300_000
KILLS = int(os.environ.get("KILLS", "6"))
SEED = int(os.environ.get("PROPERTY_SEED", random.randrange(10**9)))
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'event-etl'"


@pytest.fixture(name="stack")
def _stack() -> LocalStack:
    return LocalStack(os.environ["STACK_INSTANCE"])


def restart_postgres(stack: LocalStack) -> None:
    """Stop it as a crash does, and start it again."""
    stack.postgres.stop(at_once=True)
    stack.postgres.start()


def restart_rabbitmq(stack: LocalStack) -> None:
    """Stop it in good order, and start it again."""
    stack.rabbitmq.stop()
    stack.rabbitmq.start()
    stack.rabbitmq.wait()


@pytest.mark.parametrize("restart", [restart_postgres, restart_rabbitmq])
def test_an_import_goes_on_by_itself_after_a_service_was_away(
    restart: Callable[[LocalStack], None],
    stack: LocalStack,
    consumer: Consumer,
    database: Database,
    tmp_path: Path,
) -> None:
    path = many_events(tmp_path / "many.csv", COUNT)
    with running_producer(path) as producer:
        eventually(lambda: database.count("raw.user_events") > 5_000)
        restart(stack)
        out, _ = producer.communicate(timeout=120)
    assert f"{COUNT:,} rows read: {COUNT:,} stored" in out
    assert consumer.process.poll() is None, "it must not even have restarted"
    with connect(os.environ["DATABASE_URL"], "tests") as connection:
        stored_exactly(Database(connection), COUNT)


def test_a_consumer_waits_for_services_that_are_not_up_yet(
    stack: LocalStack, database: Database, tmp_path: Path
) -> None:
    assert database
    stack.postgres.stop()
    stack.rabbitmq.stop()
    consumer = Consumer(tmp_path)
    try:
        eventually(lambda: consumer.log.read_text().count("away") >= 2)
        assert not consumer.ready_file.exists()
        stack.rabbitmq.start()
        stack.postgres.start()
        stack.rabbitmq.wait()
        consumer.wait_until_ready()
        path = write_csv(tmp_path / "a.csv", UserEvent())
        assert "1 stored" in run("producer", str(path)).stdout
        assert consumer.stop() == 0
    finally:
        consumer.kill()


def test_a_consumer_told_to_stop_while_the_database_is_away_gives_the_batch_back(
    stack: LocalStack, database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert database
    stack.postgres.stop()
    try:
        path = write_csv(tmp_path / "a.csv", UserEvent())
        assert run("producer", "--no-wait", str(path)).returncode == 0
        eventually(lambda: "database away" in consumer.log.read_text())
        assert consumer.stop() == 0
    finally:
        stack.postgres.start()
    with running_consumer(tmp_path), connect(os.environ["DATABASE_URL"], "tests") as connection:
        found = Database(connection)
        eventually(lambda: found.count("raw.user_events") == 1)


@pytest.fixture(name="impatient_broker")
def _impatient_broker(
    stack: LocalStack, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A RabbitMQ whose consumer_timeout is two seconds, not thirty minutes."""
    with NamedTemporaryFile("w", suffix=".config") as file:
        file.write("[{rabbit, [{consumer_timeout, 2000}, {channel_tick_interval, 500}]}].\n")
        file.flush()
        os.chmod(file.name, 0o644)  # the server is somebody else
        monkeypatch.setenv("RABBITMQ_ADVANCED_CONFIG_FILE", file.name)
        restart_rabbitmq(stack)
        yield
    monkeypatch.undo()
    broker.empty()  # whoever deletes queues while they elect leaders ends 3.10's dead-lettering
    restart_rabbitmq(stack)


def test_a_consumer_that_the_broker_thinks_too_slow_connects_again_and_goes_on(
    impatient_broker: None, stack: LocalStack, database: Database, tmp_path: Path
) -> None:
    assert impatient_broker is None
    path = many_events(tmp_path / "many.csv", 30_000)
    with running_consumer(tmp_path) as consumer:
        database.connection.autocommit = False
        database.rows("LOCK TABLE raw.user_events")
        with running_producer(path) as producer:
            log = (
                stack.rabbitmq.daemon.log
            )  # hostile messages may have left bytes there that are no text
            eventually(lambda: b"acknowledgement. Timeout" in log.read_bytes())
            database.connection.rollback()
            database.connection.autocommit = True
            out, _ = producer.communicate(timeout=60)
        assert "30,000 rows read: 30,000 stored" in out
        stored_exactly(database, 30_000)
        assert re.search("broker away.*acknowledgement on channel", consumer.log.read_text())


@pytest.mark.timeout(60 + 10 * KILLS)  # seconds
def test_kills_around_the_commit_of_a_run_leave_all_of_it_or_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of the client and of its server process in turn, which takes the whole server with it."""
    url = os.environ["DATABASE_URL"]
    chance = random.Random(SEED)
    found: Counter[tuple[str, str]] = Counter()
    for number in range(KILLS):
        with connect(url, "tests") as connection:
            rows = Database(connection).rows
            Database(connection).empty()
            rows(
                "INSERT INTO raw.user_events"
                " (event_id, id, event_type, received_at, imported_at, line)"
                " SELECT gen_random_uuid(), n::text, 'User Created', '2020-12-06 10:00', now(), n"
                " FROM generate_series(1, 200) AS n"
            )
        victim = ("client", "server")[number % 2]
        with running_etl("before-the-commit") as process:
            assert process.stdout
            backend = int(process.stdout.readline())
            time.sleep(chance.uniform(0, 0.004))
            with suppress(ProcessLookupError):  # it has been faster
                os.kill(process.pid if victim == "client" else backend, signal.SIGKILL)
            process.wait(timeout=30)
        wait_for(lambda: open_connection(url, "tests").close(), patience=30)
        with connect(url, "tests") as connection:
            rows = Database(connection).rows
            eventually(lambda rows=rows: rows(AT_WORK) == [(0,)])  # type: ignore[misc]
            ((status,),) = rows("SELECT status FROM meta.etl_runs")
            ((n_versions,),) = rows("SELECT count(*) FROM crm.users_dim")
            assert n_versions == (200 if status == "succeeded" else 0), (status, number, SEED)
            found[victim, status] += 1
            assert run("etls", "run", "users_dim", "--date", "2020-12-06").returncode == 0
            assert rows("SELECT count(*) FROM crm.users_dim WHERE is_valid") == [(200,)]
            assert rows("SELECT count(*) FROM meta.etl_runs WHERE status = 'running'") == [(0,)]
    with capsys.disabled():
        print(f"\nseed {SEED}: {KILLS} kills: {dict(found)}")
    assert {victim for victim, _ in found} == {"client", "server"}
