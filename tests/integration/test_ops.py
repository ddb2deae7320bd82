"""What an operator asks: audit, doctor, replay."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etls.catalogue import ETLS
from tests.builders import SAMPLES, UserEvent, write_csv
from tests.integration.conftest import (
    Broker,
    Consumer,
    Database,
    eventually,
    run,
    running_consumer,
)
from tests.integration.test_ingestion import EVENT, publish
from warehouse.message import JSON, queue_of

USER_EVENTS = str(SAMPLES / "user_events.csv")


def test_an_audit_adds_up_by_file(database: Database, consumer: Consumer, tmp_path: Path) -> None:
    assert consumer and database
    small = write_csv(tmp_path / "a.csv", UserEvent(), "bad,row\n")
    for mode in ([], ["--per-event"]):
        assert run("producer", *mode, str(small), USER_EVENTS).returncode == 0
    result = run("ops", "audit", "--rows")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    first = "2 published = 1 stored + 0 already there + 1 rejected + 0 dead + 0 queued"
    again = "2 published = 0 stored + 1 already there + 1 rejected + 0 dead + 0 queued"
    assert lines[0].endswith(f"user_events {small}: {first}")
    assert "5,081 published = 5,045 stored + 0 already there + 36 rejected" in lines[1]
    assert lines[2].endswith(again)
    assert lines[-1] == "audit: 4 imports, 10,166 rows published: all add up"


def test_an_audit_sees_rows_that_have_gone(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = write_csv(tmp_path / "a.csv", *[UserEvent(id=str(n)) for n in range(300)])
    assert run("producer", str(path), CHUNK_ROWS="100").returncode == 0
    database.rows("DELETE FROM raw.user_events WHERE line = 7")
    result = run("ops", "audit", "--rows")
    assert result.returncode == 1
    assert "the table has 299 rows of this import, not 300" in result.stdout
    assert result.stderr == "error: audit: 1 of 1 import not accounted for\n"
    database.rows("DELETE FROM raw.receipts WHERE first_line = 102")
    result = run("ops", "audit", PATIENCE_SECONDS="0.1")
    assert result.returncode == 1
    assert "100 rows are nowhere: lines 102 to 201; run the import again" in result.stdout


def test_what_was_pruned_is_no_loss(database: Database, consumer: Consumer, tmp_path: Path) -> None:
    assert consumer
    days = ["1970-01-01", "2020-12-06", "2020-12-07"]
    for name in ("a", "b"):
        events = [UserEvent(id=f"{name}{day}", received_at=f"{day} 10:00:00") for day in days]
        assert run("producer", str(write_csv(tmp_path / f"{name}.csv", *events))).returncode == 0
    publish(json.dumps(EVENT).encode(), "user_events", JSON, "by-hand")
    eventually(lambda: database.count("raw.user_events") == 7)
    for before, gone in (("1970-01-02", 1), ("2020-12-07", 2)):
        assert run("etls", "run", *ETLS, "--stale").returncode == 0
        assert run("etls", "prune", "--before", before, "--yes").returncode == 0
        result = run("ops", "audit", "--rows")
        assert result.returncode == 0, result.stdout
        assert result.stdout.count(f"{gone} of these rows were in days that have been pruned") == 2
    assert database.rows("SELECT DISTINCT n_rows FROM raw.pruned_rows") == [(2,)]
    database.rows("DELETE FROM raw.user_events WHERE id = 'b2020-12-07'")
    result = run("ops", "audit", "--rows")
    assert result.returncode == 1
    assert "the table has 0 rows of this import, not 1" in result.stdout, "a loss is still seen"


def test_what_waits_without_a_consumer_is_no_loss_but_is_said(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    assert database and broker
    path = write_csv(tmp_path / "a.csv", UserEvent(), UserEvent())
    database.rows(
        "INSERT INTO raw.imports VALUES (to_timestamp(7e9), 'user_events', 'x.csv', 1, 2, 3)"
    )
    assert run("producer", "--no-wait", str(path)).returncode == 0
    eventually(lambda: broker.depth(queue_of("user_events")) == 2)
    result = run("ops", "audit", PATIENCE_SECONDS="0.1")
    assert "2 published = 0 stored" in result.stdout and "2 queued" in result.stdout
    assert "user_events: messages that wait: 2, consumers: 0" in result.stdout
    assert result.returncode == 1
    assert "error: audit: no consumer reads what waits for user_events" in result.stderr
    examined = run("ops", "doctor")
    assert "no consumer reads events.activity, " in examined.stdout
    assert "messages that wait: 2, the oldest for" in examined.stdout
    with running_consumer(tmp_path):
        eventually(lambda: database.count("raw.user_events") == 2)
        database.rows("DELETE FROM raw.imports WHERE source = 'x.csv'")
        assert "all add up" in run("ops", "audit").stdout


def test_messages_that_wait_for_long_are_a_finding(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    assert database and broker
    with running_consumer(tmp_path):
        pass  # declares the queues
    long_ago = int(time.time()) - 4000
    publish(json.dumps(EVENT).encode(), "user_events", JSON, "late", timestamp=long_ago)
    result = run("ops", "doctor")
    assert "WRONG messages that wait: 1, the oldest for 4,0" in result.stdout
    assert "events.user_events is not emptied: make logs" in result.stdout


def test_an_import_under_way_is_listed_and_one_that_was_broken_off_is_wrong(
    database: Database, consumer: Consumer
) -> None:
    assert consumer
    receipt = (
        "INSERT INTO raw.receipts VALUES (to_timestamp(7e8), 'm', 'user_events', 'x.csv', 2, 1,"
        " 1, 0, 0, 0, 1, now() - %s * INTERVAL '1 second')"
    )
    database.rows(receipt, 0)
    result = run("ops", "audit")
    assert result.returncode == 0, result.stderr
    assert "under way: its producer has not come to its end yet" in result.stdout
    assert "1 rows published, 1 under way: all add up" in result.stdout
    database.rows("DELETE FROM raw.receipts")
    database.rows(receipt, 60)
    result = run("ops", "audit")
    assert result.returncode == 1
    assert "the import did not come to its end: run it again" in result.stdout


@pytest.fixture(name="rejected")
def _rejected(database: Database, consumer: Consumer, tmp_path: Path) -> Iterator[Database]:
    assert consumer
    path = write_csv(
        tmp_path / "a.csv",
        UserEvent(id="good"),
        UserEvent(id="bad", event_type="User Renamed"),
        "too,few\n",
        UserEvent(id="worse", received_at="never"),
    )
    run("producer", str(path))
    publish(json.dumps(EVENT | {"event_type": "?"}).encode(), "user_events", JSON, "by-hand")
    eventually(lambda: database.count("raw.rejected_events") == 4)
    yield database


def repair(database: Database, wrong: str, right: str) -> None:
    """Stands for a mended model: what was wrong is right now."""
    database.rows("UPDATE raw.rejected_events SET payload = replace(payload, %s, %s)", wrong, right)


def test_replay_stores_what_is_right_now_once_and_under_its_id(rejected: Database) -> None:
    said = run("ops", "replay", "--reason", "literal_error", "--dry-run").stdout
    assert said == "replay: 2 rows and 0 messages would be published again\n"
    repair(rejected, "User Renamed", "User Created")
    repair(rejected, '"?"', '"User Updated"')
    said = run("ops", "replay", "--reason", "literal_error", "--feed", "user_events").stdout
    assert "2 rows and 0 messages published again: 2 rows are stored now, 0 were" in said
    ids = rejected.rows(
        "SELECT raw.user_events.id FROM raw.user_events INNER JOIN raw.rejected_events"
        " USING (event_id) WHERE replayed_at IS NOT NULL ORDER BY 1"
    )
    assert ids == [("bad",), ("hera",)]
    rejected.rows("UPDATE raw.rejected_events SET replayed_at = NULL")
    said = run("ops", "replay", "--reason", "literal_error").stdout
    assert "2 rows are stored now" in said
    assert rejected.count("raw.user_events") == 3, "twice is once"
    assert run("ops", "audit", "--rows").returncode == 0, "a replayed row is no row too many"


def test_replay_of_what_is_still_wrong_counts_an_attempt(rejected: Database) -> None:
    said = run("ops", "replay", "--since", "2020-01-01").stdout
    assert "4 rows and 0 messages published again: 0 rows are stored now, 4 were rejected" in said
    assert rejected.rows("SELECT DISTINCT attempts FROM raw.rejected_events") == [(2,)]
    assert "0 rows and 0 messages to be" in run("ops", "replay", "--since", "2999-01-01").stdout
    wrong = run("ops", "replay", "--since", "yesterday")
    assert wrong.returncode == 2 and "--since yesterday: not a date" in wrong.stderr


def test_replay_revives_dead_letters(database: Database, consumer: Consumer) -> None:
    assert consumer
    publish(json.dumps(EVENT).encode(), "user_events", "application/odd", "letter")
    eventually(lambda: database.count("raw.dead_letters") == 1)
    said = run("ops", "replay").stdout
    assert "0 messages were handled, 1 died again" in said
    database.rows("UPDATE raw.dead_letters SET content_type = 'application/json'")
    said = run("ops", "replay").stdout
    assert "1 messages were handled, 0 died again" in said
    assert database.count("raw.user_events") == 1
    assert "0 rows and 0 messages to be" in run("ops", "replay").stdout


def test_the_doctor_finds_nothing_wrong_in_a_sound_stack(
    database: Database, consumer: Consumer
) -> None:
    assert database and consumer
    result = run("ops", "doctor")
    assert result.returncode == 0, result.stdout
    assert "checks, all well" in result.stdout and "WRONG" not in result.stdout


def test_the_doctor_names_what_is_wrong_and_the_remedy(database: Database, broker: Broker) -> None:
    broker.declare_classic(queue_of("user_events"))
    database.rows("ALTER TABLE raw.user_events DROP CONSTRAINT user_events_pkey")
    database.rows("ALTER ROLE CURRENT_USER SET statement_timeout = '1s'")
    try:
        result = run("ops", "doctor", PREFETCH="5")
    finally:
        database.rows("ALTER ROLE CURRENT_USER RESET statement_timeout")
        database.rows("ALTER TABLE raw.user_events ADD PRIMARY KEY (event_id, received_at)")
        broker.empty()
    assert result.returncode == 1
    assert "error: doctor: 5 of" in result.stderr
    for said in (
        "queue events.user_events: PRECONDITION_FAILED",
        "CREATE UNIQUE INDEX ON raw.user_events (event_id, received_at)",
        "statement_timeout, idle_in_transaction_session_timeout: 0",
        "raise PREFETCH or lower WINDOW_MESSAGES",
        "no consumer reads events.activity, events.article_events",
    ):
        assert said in result.stdout


def test_the_doctor_says_which_service_is_away() -> None:
    result = run(
        "ops",
        "doctor",
        RABBITMQ_URL="amqp://a:b@127.0.0.1:1/",
        DATABASE_URL="postgresql://a:b@127.0.0.1:1/x",
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "RabbitMQ can be examined" in result.stdout
    assert "PostgreSQL can be examined" in result.stdout
    assert os.environ["DATABASE_URL"] not in result.stdout
