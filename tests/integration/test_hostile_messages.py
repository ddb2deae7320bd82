"""Anybody may send anything: the consumer goes on, and what is good among it is stored.

``FUZZ_MESSAGES=20000`` publishes more than the few of every run; ``FUZZ_SEED`` repeats one.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from struct import pack

import pytest

from chaos.amqp import RawPublisher, long, short
from chaos.hostile import FEED, MARK, Hostile, hostile_message
from feeds import FEEDS
from tests.integration.conftest import Broker, Consumer, Database, eventually
from tests.integration.test_ingestion import EVENT, publish
from warehouse.message import (
    CSV,
    DEAD_LETTERS,
    EXCHANGE,
    IMPORTED_AT,
    JSON,
    MANIFEST,
    NDJSON,
    SOURCE,
    queue_of,
)

COUNT = int(os.environ.get("FUZZ_MESSAGES", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", random.randrange(10**6)))
GOOD_OF = 5  # one message of so many is a good one
TARGET = EXCHANGE.encode(), FEED.name.encode()
HEADERS_AND_ID = pack(">H", 1 << 15 | 1 << 13 | 1 << 7)  # flags: content_type, headers, message_id


@pytest.fixture(name="publisher")
def _publisher(consumer: Consumer) -> Iterator[RawPublisher]:
    """A publisher, when a consumer has declared the queues."""
    assert consumer
    with RawPublisher() as found:
        yield found


def good(number: int) -> bytes:
    return json.dumps(EVENT | {"id": f"good-{number}"}).encode()


def properties(headers: bytes, message_id: bytes, content_type: bytes = JSON.encode()) -> bytes:
    return HEADERS_AND_ID + short(content_type) + long(headers) + short(message_id)


def nothing_has_broken(consumer: Consumer, broker: Broker) -> None:
    """The consumer, which stops now, was one process with one connection, and all is handled."""
    assert consumer.process.poll() is None
    log = consumer.log.read_text()
    assert "intake stopped" not in log and "broker away" not in log, log[-3000:]
    assert log.count("broker connected") == 1
    queues = [DEAD_LETTERS, queue_of(FEED.name)]
    eventually(lambda: not any(map(broker.depth, queues)))
    assert consumer.stop() == 0
    assert not any(map(broker.depth, queues)), "nothing comes back from a consumer's hands"


def marks_found(database: Database) -> set[bytes]:
    """The marks of all messages that have become rows, rejected rows or dead letters."""
    places = (
        "SELECT id FROM raw.user_events",
        "SELECT concat(header, payload) FROM raw.rejected_events",
        "SELECT encode(body, 'escape') FROM raw.dead_letters",
    )
    found = "\n".join(text for place in places for (text,) in database.rows(place))
    return set(re.findall(rb"hostile-\d+\.", found.encode()))


def test_every_message_has_a_fate_and_every_good_one_is_stored(
    database: Database, broker: Broker, consumer: Consumer, publisher: RawPublisher
) -> None:
    print(f"FUZZ_SEED={SEED} FUZZ_MESSAGES={COUNT}")
    dice = random.Random(SEED)
    expected, refused = set(), 0
    sent: dict[bytes, Hostile] = {}  # by their marks
    for number in range(COUNT):
        if number % GOOD_OF == 0:
            assert publisher.publish(*TARGET, properties(b"", b"good-%d" % number), good(number))
            expected.add((f"good-{number}",))
            continue
        message = hostile_message(number, dice, claims_imports=True)
        if not publisher.publish(
            message.exchange, message.routing_key, message.properties, message.body
        ):
            refused += 1
        elif message.has_mark:
            sent[b"%s%d." % (MARK.encode(), number)] = message
    assert len(sent) > COUNT / 2, "most of them arrive"
    statement = "SELECT id FROM raw.user_events WHERE id LIKE 'good-%%'"
    eventually(lambda: set(database.rows(statement)) == expected)
    nothing_has_broken(consumer, broker)
    assert not {mark: sent[mark] for mark in sent.keys() - marks_found(database)}
    ((letters,),) = database.rows("SELECT count(*) FROM raw.dead_letters WHERE error <> ''")
    assert letters == database.count("raw.dead_letters") > 0
    print(f"{len(sent):,} hostile messages, {refused:,} more refused by the broker")


@pytest.mark.parametrize(
    "headers",
    [
        short(b"at") + b"T" + pack(">Q", 2**61),
        short(b"rate") + b"D\xff" + pack(">i", -7),
        short(b"x-delivery-count") + b"l" + pack(">q", 2**63 - 1),
        short(b"imported-at") + b"l" + pack(">q", -(2**63)),
        short(b"source") + b"S" + long(b"\x1b[2J\0\xff"),
    ],
)
def test_odd_headers_do_no_harm_to_their_message(
    headers: bytes,
    database: Database,
    broker: Broker,
    consumer: Consumer,
    publisher: RawPublisher,
) -> None:
    for number in range(20):
        odd = headers if number == 10 else b""
        assert publisher.publish(*TARGET, properties(odd, b"m%d" % number), good(number))
    eventually(lambda: database.count("raw.user_events") == 20, patience=10)
    assert database.count("raw.dead_letters") == 0
    nothing_has_broken(consumer, broker)


@pytest.mark.parametrize("place", ["message_id", "content_type"])
def test_a_property_that_is_no_text_costs_its_message(
    place: str,
    database: Database,
    broker: Broker,
    consumer: Consumer,
    publisher: RawPublisher,
) -> None:
    for number in range(20):
        wrong = b"\xff\xfe" if number == 10 else b""
        message_id = wrong + b"m%d" % number if place == "message_id" else b"m%d" % number
        content_type = JSON.encode() + (wrong if place == "content_type" else b"")
        raw = properties(b"", message_id, content_type)
        assert publisher.publish(*TARGET, raw, good(number))
    eventually(lambda: database.count("raw.user_events") == 19, patience=10)
    eventually(lambda: database.count("raw.dead_letters") == 1, patience=10)
    ((error, headers),) = database.rows("SELECT error, headers FROM raw.dead_letters")
    assert error == f"the property {place} is not UTF-8"
    assert "fffe" in headers["undecoded-properties"], "the bytes are kept"
    nothing_has_broken(consumer, broker)


@pytest.mark.parametrize("number", [2**63, 10**300, -1, 1e300, "7", None, True, [], 2**63 - 1])
def test_an_absurd_manifest_costs_itself(
    number: object, database: Database, broker: Broker, consumer: Consumer
) -> None:
    for name in ("n_messages", "n_rows", "last_line"):
        manifest = {"n_messages": 1, "n_rows": 1, "last_line": 1} | {name: number}
        publish(json.dumps(manifest).encode(), "user_events", MANIFEST, None, {IMPORTED_AT: 7})
    publish(good(1), "user_events", JSON, "good")
    eventually(lambda: database.count("raw.user_events") == 1, patience=10)
    eventually(lambda: database.count("raw.dead_letters") == 3, patience=10)
    assert database.count("raw.imports") == 0
    nothing_has_broken(consumer, broker)


def test_a_row_with_a_long_number_costs_itself(
    database: Database, broker: Broker, consumer: Consumer
) -> None:
    body = b"\n".join([good(1), b'{"id": %s}' % (b"1" * 5000), good(2)])
    publish(body, "user_events", NDJSON, "lines", {SOURCE: "a.ndjson"})
    eventually(lambda: database.count("raw.user_events") == 2, patience=10)
    ((line, error),) = database.rows("SELECT line, error FROM raw.rejected_events")
    assert line == 2 and "more than 4,300 digits" in error
    assert database.count("raw.dead_letters") == 0
    nothing_has_broken(consumer, broker)


def test_what_the_database_refuses_beside_the_rows_costs_its_message(
    database: Database, broker: Broker, consumer: Consumer
) -> None:
    """Stands for a defect of ours: bookkeeping that PostgreSQL cannot store."""
    database.rows("ALTER TABLE raw.imports ADD CONSTRAINT odd CHECK (source <> 'odd')")
    manifest = b'{"n_messages": 1, "n_rows": 1, "last_line": 1}'
    try:
        for number in range(20):
            source = "odd" if number == 10 else f"file-{number}"
            publish(manifest, "user_events", MANIFEST, None, {SOURCE: source, IMPORTED_AT: number})
        publish(good(1), "user_events", JSON, "good")
        eventually(lambda: database.count("raw.dead_letters") == 1, patience=20)
    finally:
        database.rows("ALTER TABLE raw.imports DROP CONSTRAINT odd")
    eventually(lambda: database.count("raw.imports") == 19, patience=10)
    eventually(lambda: database.count("raw.user_events") == 1, patience=10)
    ((code, error),) = database.rows("SELECT code, error FROM raw.dead_letters")
    assert code == "unwritable" and 'violates check constraint "odd"' in error
    nothing_has_broken(consumer, broker)


def test_receipts_go_to_receipt_queues_only(
    database: Database, broker: Broker, consumer: Consumer, publisher: RawPublisher
) -> None:
    broker.declare_classic("mine")
    broker.declare_classic("receipts.mine")
    flags = pack(">H", 1 << 15 | 1 << 9 | 1 << 7)  # content_type, reply_to, message_id
    for number, queue in enumerate((queue_of("activity"), DEAD_LETTERS, "mine", "receipts.mine")):
        raw = flags + short(JSON.encode()) + short(queue.encode()) + short(b"m%d" % number)
        assert publisher.publish(*TARGET, raw, good(number))
    eventually(lambda: database.count("raw.user_events") == 4)
    nothing_has_broken(consumer, broker)
    assert broker.take("mine") is None
    assert broker.take("receipts.mine") is not None
    assert database.count("raw.dead_letters") == 0, "none came through events.dead or a feed"


def test_a_message_with_a_row_a_day_for_decades_holds_nobody_up(
    database: Database, broker: Broker, consumer: Consumer
) -> None:
    lines = [",".join(FEEDS["activity"].header)]
    start, user = date(1995, 1, 1), "5bfd0e8d472bcf0009a1014d"
    lines += [f"{start + timedelta(days=n)},{user},{user},1" for n in range(9000)]
    publish("\n".join(lines).encode(), "activity", CSV, "decades")
    publish(good(1), "user_events", JSON, "good")
    eventually(lambda: database.count("raw.user_events") == 1, patience=20)
    eventually(lambda: database.count("raw.activity") == 9000, patience=20)
    nothing_has_broken(consumer, broker)
    for (day,) in database.rows(  # later tests have fewer
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'raw.activity'::regclass AND inhrelid::regclass::text !~ '_other$'"
    ):
        database.rows(f"DROP TABLE {day}")


def test_a_reject_of_csv_with_parameters_keeps_its_header_and_line(
    database: Database, broker: Broker, consumer: Consumer
) -> None:
    body = f"{','.join(FEED.header)}\ntoo,few\n".encode()
    publish(body, "user_events", "Text/CSV; charset=utf-8", "parameters")
    eventually(lambda: database.count("raw.rejected_events") == 1)
    assert database.rows("SELECT line, header FROM raw.rejected_events") == [
        (2, ",".join(FEED.header))
    ]
    nothing_has_broken(consumer, broker)
