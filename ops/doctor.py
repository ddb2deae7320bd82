"""The doctor: whether what makes the promise true is in place, on the live broker and database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from feeds.core.declaration import Feed
from warehouse.errors import WarehouseError
from warehouse.message import DEAD_LETTERS, queue_of
from warehouse.migrate import pending
from warehouse.postgres import INGEST, Cursor, connect
from warehouse.queries import query
from warehouse.rabbitmq import inspection
from warehouse.rabbitmq.topology import DELIVERY_LIMIT
from warehouse.settings import HANDLER_SECONDS, LONGEST_HOLD, Settings
from warehouse.visible import visible

_CONSUMER_TIMEOUT = 1800  # seconds; RabbitMQ's default, which a client cannot ask for
_LONGEST_WAIT = 300.0  # seconds; an import never has more than some seconds' work on its way
_LONG_ENOUGH = 60_000  # ms; a batch may have to wait for a lock


@dataclass(frozen=True)
class Finding:
    """A check; without a remedy it went well."""

    what: str
    remedy: str = ""

    def __str__(self) -> str:
        if not self.remedy:
            return f"  ok    {visible(self.what)}"
        return f"  WRONG {visible(self.what)}\n        {visible(self.remedy)}"


def examine(settings: Settings, feeds: Sequence[Feed]) -> Iterator[Finding]:
    """All checks; one that cannot be made, because a service is away, is a finding too."""
    yield from _attempt("RabbitMQ", lambda: _examine_broker(settings, feeds))
    yield from _attempt("PostgreSQL", lambda: _examine_database(settings, feeds))
    yield from _examine_settings(settings)


def _attempt(name: str, checks: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from checks()
    except WarehouseError as error:
        yield Finding(f"{name} can be examined", str(error))


def _check(is_well: object, what: str, remedy: str) -> Finding:
    return Finding(what, "" if is_well else remedy)


def _examine_broker(settings: Settings, feeds: Sequence[Feed]) -> Iterator[Finding]:
    url = settings.rabbitmq_url
    version = inspection.version(url)
    told = ".".join(map(str, version))
    yield _check(
        version >= (3, 10),
        f"RabbitMQ {told} is 3.10 or later",
        "3.10 has the first safe dead letters",
    )
    differences = inspection.differences(url, [feed.name for feed in feeds])
    yield _check(
        not differences,
        f"exchanges and {len(feeds) + 1} quorum queues are as declared: at-least-once dead letters,"
        f" reject-publish, delivery limit {DELIVERY_LIMIT}",
        "; ".join(f"{name}: {said}" for name, said in differences.items())
        + ". Start a consumer if it is missing; else empty and delete it, then start a consumer",
    )
    yield from _examine_queues(url, [*(queue_of(feed.name) for feed in feeds), DEAD_LETTERS])
    yield _check(
        inspection.dead_letters_arrive(url),
        "a rejected message reaches its dead-letter queue",
        "enable the feature flag stream_queue (RabbitMQ before 3.12), and look for policies on "
        f"{queue_of('*')}",
    )


def _examine_queues(url: object, queues: Sequence[str]) -> Iterator[Finding]:
    states = inspection.queue_states(url, queues, with_ages=True)
    unread = [queue for queue, state in states.items() if not state.consumers]
    fewest = min(state.consumers for state in states.values())
    yield _check(
        not unread,
        f"each of {len(queues)} queues has a consumer; the fewest is {fewest}",
        f"no consumer reads {', '.join(unread)}: make setup starts one, make logs says why not",
    )
    waiting = sum(state.messages for state in states.values())
    oldest = max((state.seconds or 0.0 for state in states.values()), default=0.0)
    queue = max(states, key=lambda name: states[name].seconds or 0.0)
    yield _check(
        oldest <= _LONGEST_WAIT,
        f"messages that wait: {waiting:,}, the oldest for {oldest:,.0f} s",
        f"{queue} is not emptied: make logs says why; make consumers N=4 shares the load",
    )


def _examine_database(settings: Settings, feeds: Sequence[Feed]) -> Iterator[Finding]:
    with (
        connect(settings.database_url, "event-doctor", INGEST) as connection,
        connection.cursor() as cursor,
    ):
        yield from _examine_server(cursor)
        waiting = pending(settings.database_url)
        yield _check(not waiting, "all migrations are applied", f"run make setup: {waiting}")
        tables = {feed.table: feed.key for feed in feeds}
        tables |= {"raw.rejected_events": ("event_id",), "raw.dead_letters": ("letter_id",)}
        for table, key in tables.items():
            cursor.execute(query("ops/unique_key"), {"table": table, "columns": list(key)})
            ((is_unique,),) = cursor.fetchall()
            yield _check(
                is_unique,
                f"{table} has its unique index on {', '.join(key)}",
                f"without it events double: CREATE UNIQUE INDEX ON {table} ({', '.join(key)})",
            )
        cursor.execute(query("ops/owner"))
        ((owner, is_superuser, is_open),) = cursor.fetchall()
        yield _check(
            not is_superuser,
            f"{owner}, who owns the schemas, is no superuser",
            "a defect in what runs with its rights would reach the whole server: let"
            " sql/bootstrap.sql make an owner, and move the data",
        )
        yield _check(
            not is_open,
            "who has no role of the warehouse cannot connect",
            f"REVOKE ALL ON DATABASE {cursor.connection.info.dbname} FROM PUBLIC",
        )


def _examine_server(cursor: Cursor) -> Iterator[Finding]:
    cursor.execute(query("ops/server"))
    ((version, zone, encoding, fsync, pages, commit, statement, idle, standby, locks, days),) = (
        cursor.fetchall()
    )
    yield _check(
        15 <= version <= 18, f"PostgreSQL {version} is 15 to 18", "other versions are not tested"
    )
    yield _check(zone == "UTC", f"sessions are in {zone}", "a proxy between drops SET timezone")
    yield _check(encoding == "UTF8", f"the database is in {encoding}", "create it with UTF8")
    yield _check(not standby, "the server takes writes", "DATABASE_URL names a standby")
    yield _check(
        fsync and pages and commit != "off",
        "what is committed is on disk (fsync, full_page_writes, synchronous_commit)",
        "a committed batch is acknowledged and would not come again: turn these on",
    )
    yield _check(
        all(limit == 0 or limit >= _LONG_ENOUGH for limit in (statement, idle)),
        "no timeout of the server ends a batch that waits for a lock",
        "statement_timeout, idle_in_transaction_session_timeout: 0, or a minute or more",
    )
    yield _check(
        locks > 2 * days,
        f"{locks:,} locks are enough for queries of raw tables as a whole, {days:,} for all",
        "raise max_locks_per_transaction, or drop old days: make prune BEFORE=…",
    )


def _examine_settings(settings: Settings) -> Iterator[Finding]:
    linger = settings.batch_linger_ms / 1000
    yield _check(
        linger < HANDLER_SECONDS < LONGEST_HOLD < _CONSUMER_TIMEOUT,
        f"time limits fit together: {linger:g} s linger < {HANDLER_SECONDS} s to decode < "
        f"{LONGEST_HOLD:g} s with a batch in hand < {_CONSUMER_TIMEOUT} s consumer_timeout",
        "lower BATCH_LINGER_MS",
    )
    yield _check(
        settings.prefetch >= settings.window_messages,
        f"prefetch {settings.prefetch} is at least the {settings.window_messages} messages that an "
        "import has on their way",
        "raise PREFETCH or lower WINDOW_MESSAGES: batches would never fill",
    )
