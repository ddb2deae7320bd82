"""Killed at every named step, poisoned, locked out: nothing lost, nothing doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cloudevents.core.bindings.rabbitmq import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.builders import UserEvent, write_csv
from tests.dying import STEPS
from tests.integration.conftest import (
    Broker,
    Consumer,
    Database,
    eventually,
    run,
    running_consumer,
    running_producer,
)
from tests.integration.test_ingestion import EVENT, publish
from warehouse.message import CLOUDEVENTS, DEAD_LETTERS, JSON

COUNT = 20_000
ROWS_OF_A_MESSAGE = "100"
POISONED = ["poison", "hanging"]


def source(folder: Path) -> Path:
    """A file in which every thousandth row is bad, and no two are alike."""
    events = [UserEvent(id=f"user-{n}").line for n in range(COUNT)]
    bad = [f"bad,{n}\n" for n in range(COUNT // 1000)]
    return write_csv(folder / "events.csv", *events, *bad)


def dying(step: str, *arguments: str) -> subprocess.Popen[bytes]:
    """One of our programs, which will die at a step."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.dying", step, *arguments],
        env={**os.environ, "CHUNK_ROWS": ROWS_OF_A_MESSAGE, "BATCH_BYTES": "100000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def all_is_there_once(database: Database) -> None:
    ids = sorted(name for name, in database.rows("SELECT id FROM raw.user_events"))
    assert ids == sorted(f"user-{n}" for n in range(COUNT))
    assert database.count("raw.rejected_events") == COUNT // 1000
    assert database.count("raw.dead_letters") == 0
    audit = run("ops", "audit", "--rows")
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.parametrize("step", STEPS)
def test_a_consumer_killed_at_any_step_loses_and_doubles_nothing(
    step: str, database: Database, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker
    monkeypatch.setenv("CHUNK_ROWS", ROWS_OF_A_MESSAGE)
    with dying(step) as victim, running_producer(source(tmp_path)) as producer:
        assert victim.wait(timeout=60) == -signal.SIGKILL
        assert database.count("raw.user_events") < COUNT
        with running_consumer(tmp_path):
            out, _ = producer.communicate(timeout=60)
    assert f"{COUNT:,} stored, {COUNT // 1000} rejected, 0 already there" in out
    all_is_there_once(database)


def test_a_producer_killed_between_publish_and_confirm_is_made_good_by_the_same_import(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = source(tmp_path)
    with dying("between-publish-and-confirm", str(path)) as victim:
        assert victim.wait(timeout=60) == -signal.SIGKILL
    eventually(lambda: "did not come to its end" in run("ops", "audit").stdout)
    assert run("producer", str(path)).returncode == 0
    all_is_there_once(database)


@pytest.mark.parametrize("kind", POISONED)
def test_a_poisonous_message_is_set_aside_and_its_neighbours_are_stored(
    kind: str, database: Database, broker: Broker, tmp_path: Path
) -> None:
    assert broker
    with running_consumer(tmp_path):
        pass  # declares the queues
    for number in range(30):
        body = json.dumps(EVENT | {"id": f"user-{number}"}).encode()
        publish(body, "user_events", JSON, "poison" if number == 15 else f"event-{number}")
    deaths = 0
    while database.count("raw.dead_letters") == 0:
        with dying(kind) as victim:
            while victim.poll() is None and database.count("raw.dead_letters") == 0:
                time.sleep(0.05)
            deaths += victim.returncode is not None
            victim.terminate()
        assert deaths < 10, "it is never set aside"
    with running_consumer(tmp_path):
        eventually(lambda: database.count("raw.user_events") == 29)
    ((message_id, code, error),) = database.rows(
        "SELECT message_id, code, error FROM raw.dead_letters"
    )
    assert (message_id, code) == ("poison", "poison") and "ended a consumer" in error
    assert broker.depth(DEAD_LETTERS) == 0 and database.count("raw.suspects") == 0
    assert 3 <= deaths <= 6


def test_a_defect_of_the_decoder_costs_its_message_and_shows_no_value(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    assert broker
    with running_consumer(tmp_path):
        pass
    publish(json.dumps(EVENT).encode(), "user_events", JSON, "poison")
    publish(json.dumps(EVENT).encode(), "user_events", JSON, "fine")
    with dying("failing") as consumer:
        eventually(lambda: database.count("raw.user_events") == 1)
        eventually(lambda: database.count("raw.dead_letters") == 1)
        consumer.terminate()
        assert consumer.wait(timeout=20) == 0
    ((error,),) = database.rows("SELECT error FROM raw.dead_letters")
    assert error == "the decoder failed: ZeroDivisionError"


def test_a_broken_environment_stops_the_intake_and_kills_no_event(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    database.rows("REVOKE INSERT ON raw.user_events FROM warehouse_ingest")
    try:
        path = write_csv(tmp_path / "a.csv", UserEvent())
        assert run("producer", "--no-wait", str(path)).returncode == 0
        eventually(lambda: "intake stopped" in consumer.log.read_text())
        assert not consumer.ready_file.exists()
        assert "permission denied" in consumer.log.read_text()
    finally:
        database.rows("GRANT INSERT ON raw.user_events TO warehouse_ingest")
    eventually(lambda: database.count("raw.user_events") == 1)
    eventually(consumer.ready_file.exists)
    assert database.count("raw.dead_letters") == 0
    assert consumer.process.poll() is None


def test_the_pause_of_a_stopped_intake_starts_anew_when_something_was_written(
    database: Database, consumer: Consumer
) -> None:
    def stops_seen() -> list[str]:
        return [line for line in consumer.log.read_text().splitlines() if "intake stopped" in line]

    for count in (1, 2):
        database.rows("REVOKE INSERT ON raw.user_events FROM warehouse_ingest")
        body = json.dumps(EVENT | {"id": f"user-{count}"}).encode()
        publish(body, "user_events", JSON, f"event-{count}")
        eventually(partial(_is_longer, stops_seen, count))
        database.rows("GRANT INSERT ON raw.user_events TO warehouse_ingest")
        eventually(partial(_is_stored, database, count))
    assert all("retry_in_seconds=5.0" in line for line in stops_seen()), stops_seen()


def _is_longer(lines: Callable[[], list[str]], count: int) -> bool:
    return len(lines()) >= count


def _is_stored(database: Database, count: int) -> bool:
    return database.count("raw.user_events") == count


@pytest.mark.parametrize(("signals", "longest"), [(1, 10.0), (2, 2.0)])
def test_a_consumer_that_waits_for_a_lock_stops_in_time_and_loses_nothing(
    signals: int, longest: float, database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    database.connection.autocommit = False
    database.rows("LOCK TABLE raw.user_events")
    assert run("producer", "--no-wait", str(path)).returncode == 0
    eventually(lambda: _is_waiting_for_a_lock(database))
    started = time.monotonic()
    for _ in range(signals):
        consumer.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert consumer.process.wait(timeout=15) == 0
    assert time.monotonic() - started < longest
    database.connection.rollback()
    database.connection.autocommit = True
    with running_consumer(tmp_path):
        eventually(lambda: database.count("raw.user_events") == 1)


def _is_waiting_for_a_lock(database: Database) -> bool:
    ((waiting,),) = database.rows("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(waiting)


def test_events_of_the_cloudevents_sdk_arrive_single_and_batched(
    database: Database, consumer: Consumer
) -> None:
    assert consumer
    attributes = {"type": "user", "source": "/shop", "specversion": "1.0"}
    events = [
        CloudEvent({**attributes, "id": str(number)}, EVENT | {"id": f"user-{number}"})
        for number in range(4)
    ]
    for _ in range(2):  # again is not twice, in whatever mode
        for message in (to_structured_event(events[0]), to_binary_event(events[1])):
            publish(
                message.body,
                "user_events",
                message.content_type or "",
                None,
                dict(message.headers),
            )
        batch = b"[%s]" % b",".join(JSONFormat().write(event) for event in events[1:])
        publish(batch, "user_events", CLOUDEVENTS, None)
    eventually(lambda: database.count("raw.user_events") == 4)
    time.sleep(0.5)
    ids = [name for name, in database.rows("SELECT id FROM raw.user_events ORDER BY id")]
    assert ids == ["user-0", "user-1", "user-2", "user-3"]
    assert database.count("raw.dead_letters") == 0
