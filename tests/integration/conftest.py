"""Clean services for each test, and the real programs as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from feeds import FEEDS
from stack.local import LocalStack
from stack.looking import channel as open_channel
from warehouse.message import DEAD_LETTERS, queue_of
from warehouse.migrate import migrate
from warehouse.postgres import Connection, connect

TABLES = [feed.table for feed in FEEDS.values()] + [
    "raw.rejected_events",
    "raw.imports",
    "raw.receipts",
    "raw.pruned_rows",
    "raw.dead_letters",
    "raw.suspects",
    "crm.user_history",
    "reports.user_events_daily",
    "reports.article_performance",
    "reports.user_performance",
    "reports.unknown_users_by_event_type",
    "reports.duplicates_by_date",
    "reports.visitors_by_country",
    "reports.valuable_users_by_age_group",
    "reports.user_activity",
    "reports.customers",
    "meta.etl_runs",
    "meta.pruned",
]


@pytest.fixture(scope="session", autouse=True)
def _services() -> None:
    if "DATABASE_URL" not in os.environ or "RABBITMQ_URL" not in os.environ:
        pytest.exit("these tests need services of their own: run make test", returncode=2)
    migrate(os.environ["DATABASE_URL"])


class Database:
    """The warehouse as a test looks at it: as its owner, in autocommit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        connection.autocommit = True

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def empty(self) -> None:
        """As after the migrations."""
        self.rows(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY CASCADE")


@pytest.fixture(scope="session", name="session_database")
def _session_database(_services: None) -> Iterator[Database]:
    with connect(os.environ["DATABASE_URL"], "tests") as connection:
        yield Database(connection)


@pytest.fixture(name="database")
def _database(_services: None) -> Iterator[Database]:
    """An empty warehouse."""
    with connect(os.environ["DATABASE_URL"], "tests") as connection:
        found = Database(connection)
        found.empty()
        yield found


@pytest.fixture(name="administrator")
def _administrator() -> Iterator[Database]:
    """The database as the server's superuser sees it."""
    stack = LocalStack(os.environ["STACK_INSTANCE"])
    with connect(stack.chosen.administrator_url("warehouse"), "tests") as connection:
        yield Database(connection)


class Broker:
    """RabbitMQ as a test looks at it: a connection for every look, for it may restart between."""

    def empty(self) -> None:
        """Delete every queue of ours; whoever connects next declares them again."""
        with open_channel() as channel:
            for queue in [DEAD_LETTERS, *map(queue_of, FEEDS)]:
                channel.queue_delete(queue)

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with open_channel() as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)

    def declare_classic(self, queue: str) -> None:
        """Declare a queue that is not as ours are."""
        with open_channel() as channel:
            channel.queue_declare(queue, durable=True)

    def take(self, queue: str) -> tuple[Any, bytes] | None:
        """The next message's properties and body, acknowledged."""
        with open_channel() as channel:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            return (properties, body) if method is not None else None


@pytest.fixture(name="broker")
def _broker(_services: None) -> Broker:
    """A broker without our queues."""
    found = Broker()
    found.empty()
    return found


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of our programs to its end."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Consumer:
    """A consumer process."""

    def __init__(self, folder: Path) -> None:
        self.ready_file = folder / f"ready-{time.monotonic_ns()}"
        self.log = folder / "consumer.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [sys.executable, "-m", "consumer"],
                env={**os.environ, "READY_FILE": str(self.ready_file)},
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> "Consumer":
        """Return when it is connected to both services."""
        eventually(self.ready_file.exists)
        return self

    def kill(self) -> None:
        """As the machine's power going."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def running_producer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """An import under way."""
    with subprocess.Popen(
        [sys.executable, "-m", "producer", str(path)], stdout=subprocess.PIPE, text=True
    ) as producer:
        try:
            yield producer
        finally:
            producer.kill()


@contextmanager
def running_etl(step: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A run of users_dim on 2020-12-06 under way; ``step``: one of tests.dying."""
    program = ["tests.dying", step] if step else ["etls"]
    with subprocess.Popen(
        [sys.executable, "-m", *program, "run", "users_dim", "--date", "2020-12-06"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running_consumer(folder: Path) -> Iterator[Consumer]:
    """A consumer that must end well."""
    consumer = Consumer(folder)
    try:
        yield consumer.wait_until_ready()
        assert consumer.stop() == 0, consumer.log.read_text()
    finally:
        consumer.kill()


@pytest.fixture(name="consumer")
def _consumer(database: Database, broker: Broker, tmp_path: Path) -> Iterator[Consumer]:
    """A running consumer on clean services."""
    assert database and broker
    with running_consumer(tmp_path) as found:
        yield found


@pytest.fixture(scope="session", name="store")
def _store() -> Iterator[dict[str, str]]:
    """A store on loopback that speaks S3's protocol; the environment that leads to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


def files_in(store: dict[str, str]) -> s3fs.S3FileSystem:
    """The store's files, as their owner sees them."""
    return s3fs.S3FileSystem(
        key=store["AWS_ACCESS_KEY_ID"],
        secret=store["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=store["AWS_ENDPOINT_URL"],
        skip_instance_cache=True,
    )


def eventually(condition: Callable[[], bool], patience: float = 60) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
