"""From file to raw table, through the real programs."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import aio_pika
import pytest

from feeds import FEEDS
from stack.looking import channel as open_channel
from tests.builders import SAMPLES, UserEvent, write_csv
from tests.integration.conftest import (
    Broker,
    Consumer,
    Database,
    eventually,
    run,
    running_consumer,
    running_producer,
)
from tests.unit.test_encoding import SAMPLE_OF
from warehouse.message import CLOUDEVENT, DEAD_LETTERS, EXCHANGE, JSON, queue_of
from warehouse.rabbitmq.topology import EVENT_QUEUE

USER_EVENTS = str(SAMPLES / "user_events.csv")
MANY = 300_000  # rows: enough for something to happen in the middle


def summary(stored: int, rejected: int, already_there: int) -> str:
    total = stored + rejected + already_there
    return (
        f"{total:,} rows read: {stored:,} stored, {rejected:,} rejected, "
        f"{already_there:,} already there"
    )


def test_every_row_is_stored_or_rejected_and_a_second_import_adds_none(
    database: Database, consumer: Consumer
) -> None:
    assert consumer
    first = run("producer", USER_EVENTS)
    stored, rejected = database.count("raw.user_events"), database.count("raw.rejected_events")
    assert summary(stored, rejected, 0) in first.stdout, first.stderr
    assert rejected == 36
    second = run("producer", USER_EVENTS)
    assert summary(0, rejected, stored) in second.stdout
    third = run("producer", "--per-event", USER_EVENTS)
    assert summary(0, rejected, stored) in third.stdout
    assert database.count("raw.user_events") == stored
    assert database.count("raw.rejected_events") == rejected


def test_what_is_stored_is_the_file_byte_for_byte(database: Database, consumer: Consumer) -> None:
    assert consumer
    run("producer", USER_EVENTS)
    rejected = {line for line, in database.rows("SELECT line FROM raw.rejected_events")}
    text = Path(USER_EVENTS).read_bytes()
    good = [raw for n, raw in enumerate(text.split(b"\n"), 1) if n not in rejected]
    source = csv.DictReader((b"\n".join(good)).decode().splitlines(keepends=True))
    expected = Counter(tuple(v or None for v in row.values()) for row in source)
    columns = ", ".join(FEEDS["user_events"].columns[:-1])
    stored = database.rows(
        f"SELECT {columns}, to_char(received_at, 'YYYY-MM-DD HH24:MI:SS.US') FROM raw.user_events"
    )
    assert Counter(stored) == expected


@pytest.mark.parametrize("feed", SAMPLE_OF)
@pytest.mark.parametrize("mode", [[], ["--per-event"]])
def test_every_feed_flows(
    feed: str, mode: list[str], database: Database, consumer: Consumer
) -> None:
    assert consumer
    path = str(SAMPLES / SAMPLE_OF[feed])
    result = run("producer", "--feed", feed, *mode, path)
    assert result.returncode == 0, result.stderr
    stored, rejected = database.count(f"raw.{feed}"), database.count("raw.rejected_events")
    assert summary(stored, rejected, 0) in result.stdout
    assert stored > 100


def test_a_reject_says_where_it_came_from_and_why(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = write_csv(tmp_path / "a.csv", UserEvent(), "only,two\n", UserEvent(received_at="never"))
    run("producer", str(path))
    assert database.rows(
        "SELECT feed, source, line, payload, code, column_name, error"
        " FROM raw.rejected_events ORDER BY line"
    ) == [
        (
            "user_events",
            str(path),
            3,
            "only,two",
            "malformed",
            None,
            "2 fields where 8 are expected",
        ),
        (
            "user_events",
            str(path),
            4,
            UserEvent(received_at="never").line.strip(),
            "value_error",
            "received_at",
            "received_at: not a date and time such as 2020-12-06 22:03:16.759617",
        ),
    ]


def test_a_row_only_postgres_refuses_is_rejected_and_its_neighbours_stored(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = tmp_path / "a.tsv"
    names = [*(f"name-{n}" for n in range(500)), "odd"]
    rows = [f"2019-02-15 03:07:03.662 +0000\t\t{name}\t\t{{}}" for name in names]
    path.write_text("\n".join(["\t".join(FEEDS["article_events"].header), *rows]))
    rule = "ALTER TABLE raw.article_events ADD CONSTRAINT rule CHECK (event_name <> 'odd')"
    database.rows(rule)
    try:
        result = run("producer", "--feed", "article_events", str(path))
        again = run("producer", "--feed", "article_events", str(path))
    finally:
        database.rows("ALTER TABLE raw.article_events DROP CONSTRAINT rule")
    assert summary(500, 1, 0) in result.stdout
    assert summary(0, 1, 500) in again.stdout, "among rows that are there"
    ((code, error, line),) = database.rows("SELECT code, error, line FROM raw.rejected_events")
    assert (code, line) == ("database", 502) and 'violates check constraint "rule"' in error


def test_files_of_one_import_keep_their_order(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    paths = [
        str(write_csv(tmp_path / name, UserEvent(username=name))) for name in ("z.csv", "a.csv")
    ]
    run("producer", *paths)
    run("producer", str(write_csv(tmp_path / "later.csv", UserEvent(username="later"))))
    found = database.rows("SELECT username FROM raw.user_events ORDER BY imported_at, line")
    assert [name for name, in found] == ["z.csv", "a.csv", "later"]


def test_standard_input_json_and_a_rate(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = tmp_path / "a.json"
    event = {"id": "z", "event_type": "User Created", "received_at": "2020-12-06 10:00"}
    path.write_text(json.dumps([event, event]))
    with path.open() as file:
        subprocess.run(
            [sys.executable, "-m", "producer", "--rate", "50", "-"], stdin=file, check=True
        )
    assert database.count("raw.user_events") == 2


def test_without_waiting_everything_is_in_the_queue(broker: Broker, database: Database) -> None:
    result = run("producer", "--no-wait", USER_EVENTS)
    assert "rows published" in result.stdout, result.stderr
    eventually(lambda: broker.depth(queue_of("user_events")) == 2)  # rows, manifest
    assert database.count("raw.user_events") == 0


def test_a_good_file_before_a_bad_one_is_told_of(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    good = write_csv(tmp_path / "good.csv", UserEvent())
    bad = tmp_path / "bad.csv"
    bad.write_text("id;event_type\n")
    result = run("producer", str(good), str(bad))
    assert summary(1, 0, 0) in result.stdout
    assert result.returncode == 2 and result.stderr.startswith(
        f"error: {bad}, line 1: this is no header"
    )
    assert database.count("raw.user_events") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--feed", "nobody", "x.csv"], "error: no feed is called 'nobody'"),
        (["--feed", "organizations", "x.csv"], "error: organizations do not go through the queue"),
        (["--rate", "0", "x.csv"], "error: --rate"),
        (["/nowhere.csv"], "error: /nowhere.csv: no such file"),
        ([], "error: the following arguments are required: SOURCE"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(arguments: list[str], complaint: str) -> None:
    result = run("producer", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(complaint) and result.stderr.count("\n") == 1


def test_a_broker_that_is_away_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    result = run(
        "producer", str(path), RABBITMQ_URL="amqp://a:b@127.0.0.1:1/", PATIENCE_SECONDS="0.5"
    )
    assert result.returncode == 1
    assert "error: RabbitMQ cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_password_is_said_at_once(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    url = os.environ["RABBITMQ_URL"].replace("://warehouse:", "://warehouse:wrong")
    result = run("producer", str(path), RABBITMQ_URL=url)
    assert result.returncode == 1
    assert "error: RabbitMQ (RABBITMQ_URL): user or password refused" in result.stderr


def publish(
    body: bytes,
    routing_key: str,
    content_type: str,
    message_id: str | None,
    headers: dict[str, str | int] | None = None,
    timestamp: int | None = None,
) -> None:
    """Publish with another client than ours."""

    async def publish_one() -> None:
        connection = await aio_pika.connect(os.environ["RABBITMQ_URL"])
        async with connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(EXCHANGE)
            message = aio_pika.Message(
                body,
                content_type=content_type,
                message_id=message_id,
                headers=dict(headers or {}),
                timestamp=timestamp,
            )
            await exchange.publish(message, routing_key)

    asyncio.run(publish_one())


EVENT = {"id": "hera", "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}


def test_another_client_publishes_by_hand(database: Database, consumer: Consumer) -> None:
    assert consumer
    body = json.dumps(EVENT).encode()
    envelope = {"specversion": "1.0", "id": "1", "source": "/x", "type": "y", "data": EVENT}
    for _ in range(2):  # the same again is no other event
        publish(body, "user_events", JSON, "by-hand-1")
        publish(json.dumps(envelope).encode(), "user_events", CLOUDEVENT, None)
    publish(b'{"id": "hera"}', "user_events", JSON, "by-hand-2")
    eventually(lambda: database.count("raw.rejected_events") == 1)
    assert database.rows("SELECT id, line FROM raw.user_events") == [("hera", 1), ("hera", 1)]


@pytest.mark.parametrize(
    ("key", "named"),
    [("nul \x00", "nul \\x00"), ("half a pair \ud800", None)],  # pydantic names no such key
)
def test_a_reject_is_kept_whatever_its_keys_and_headers_hold(
    key: str, named: str | None, database: Database, consumer: Consumer
) -> None:
    headers: dict[str, str | int] = {"source": "nul \x00.csv", "first-line": 2**63 - 1}
    publish(json.dumps(EVENT | {key: 1}).encode(), "user_events", JSON, "odd", headers)
    eventually(lambda: database.count("raw.rejected_events") == 1)
    ((column, source, line),) = database.rows(
        "SELECT column_name, source, line FROM raw.rejected_events"
    )
    assert (column, source, line) == (named, "nul \\x00.csv", 1)
    assert consumer.process.poll() is None


def test_what_cannot_be_decoded_is_kept_as_a_dead_letter(
    database: Database, consumer: Consumer
) -> None:
    for _ in range(2):
        publish(b"\xff\xfe", "user_events", "application/xml", "letter", {"source": "a", "n": 1})
    publish(json.dumps(EVENT).encode(), "user_events", JSON, "fine")
    eventually(lambda: database.count("raw.user_events") == 1)
    assert database.rows(
        "SELECT feed, message_id, content_type, encode(body, 'hex'), code, error, source, attempts"
        " FROM raw.dead_letters"
    ) == [
        (
            "user_events",
            "letter",
            "application/xml",
            "fffe",
            "undecodable",
            "unknown content type 'application/xml'",
            "a",
            2,
        )
    ]
    assert "unknown content type" in consumer.log.read_text()


def test_what_the_broker_gives_up_is_kept_as_a_dead_letter(
    database: Database, broker: Broker, consumer: Consumer
) -> None:
    assert consumer
    with open_channel() as channel:  # another consumer, which refuses it
        channel.queue_declare("events.nobody", durable=True, arguments=EVENT_QUEUE)
        channel.queue_bind("events.nobody", EXCHANGE, "nobody")
        channel.basic_publish(EXCHANGE, "nobody", b"refused")
        eventually(lambda: broker.depth("events.nobody") == 1)
        method, _, _ = channel.basic_get("events.nobody")
        channel.basic_reject(method.delivery_tag, requeue=False)
        eventually(lambda: database.count("raw.dead_letters") == 1)
        channel.queue_delete("events.nobody")
    ((feed, body, code, error),) = database.rows(
        "SELECT feed, encode(body, 'escape'), code, error FROM raw.dead_letters"
    )
    assert (feed, body, code) == ("nobody", "refused", "rejected")
    assert error == "set aside by the broker: rejected"
    assert broker.depth(DEAD_LETTERS) == 0


def test_the_log_has_a_line_a_batch_and_no_values(database: Database, consumer: Consumer) -> None:
    assert database
    run("producer", USER_EVENTS)
    lines = consumer.log.read_text().splitlines()
    batches = [line for line in lines if 'event="batch written"' in line]
    assert 1 <= len(batches) <= 3 and "stored=" in batches[0]
    assert "@example.com" not in consumer.log.read_text()


def many_events(path: Path, count: int = MANY) -> Path:
    line = UserEvent(id="user-%d").line
    return write_csv(path, *(line % n for n in range(count)))


def stored_exactly(database: Database, count: int) -> None:
    ((total, distinct),) = database.rows("SELECT count(*), count(DISTINCT id) FROM raw.user_events")
    assert (total, distinct) == (count, count)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_consumer_ended_in_the_middle_loses_and_doubles_nothing(
    how: signal.Signals, database: Database, broker: Broker, tmp_path: Path
) -> None:
    assert broker
    path = many_events(tmp_path / "many.csv")
    first = Consumer(tmp_path).wait_until_ready()
    with running_producer(path) as producer:
        eventually(lambda: database.count("raw.user_events") > 5_000)
        first.process.send_signal(how)
        code = first.process.wait(timeout=30)
        assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        assert database.count("raw.user_events") < MANY, "it was too late to matter"
        with running_consumer(tmp_path):
            out, _ = producer.communicate(timeout=120)
    stored_exactly(database, MANY)
    assert summary(MANY, 0, 0) in out, "rows committed but not acknowledged count as stored"


def test_a_producer_killed_in_the_middle_is_made_good_by_the_same_import(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = many_events(tmp_path / "many.csv")
    with running_producer(path) as producer:
        eventually(lambda: database.count("raw.user_events") > 5_000)
        producer.kill()
    result = run("producer", str(path))
    assert f"{MANY:,} rows read" in result.stdout
    stored_exactly(database, MANY)


def test_an_import_of_which_nothing_is_stored_does_not_end_well(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    good = write_csv(tmp_path / "good.csv", UserEvent())
    bad = write_csv(tmp_path / "bad.csv", "too,few\n", UserEvent(event_type="Renamed"))
    empty = write_csv(tmp_path / "empty.csv")
    result = run("producer", str(good), str(bad), str(empty))
    assert result.returncode == 1
    assert summary(1, 2, 0) in result.stdout
    assert result.stderr.strip().endswith(
        f"error: {bad}: none of its 2 rows was stored: make rejects says why"
    )
    assert database.count("raw.user_events") == 1
    for paths in ([good], [good, empty], [empty]):
        assert run("producer", *map(str, paths)).returncode == 0, "all of it is there, or nothing"


def test_an_import_whose_messages_die_does_not_end_well(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    path = write_csv(tmp_path / "a.csv", UserEvent())
    database.rows("ALTER TABLE raw.imports ADD CONSTRAINT odd CHECK (n_rows <> 1)")
    try:
        result = run("producer", str(path))
    finally:
        database.rows("ALTER TABLE raw.imports DROP CONSTRAINT odd")
    assert result.returncode == 1
    assert f"error: {path}: 1 of its messages could not be handled, nor stored" in result.stderr
    assert database.count("raw.user_events") == database.count("raw.dead_letters") == 1
