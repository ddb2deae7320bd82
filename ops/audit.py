"""The audit: of every import, published = stored + already there + rejected + dead + queued."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from feeds import FEEDS
from warehouse.message import queue_of
from warehouse.postgres import READ, Cursor, connect, count_where
from warehouse.queries import query
from warehouse.rabbitmq.inspection import QueueState, queue_states
from warehouse.settings import Settings
from warehouse.visible import visible

_SHOWN_GAPS = 5
_IDLE = 10.0  # seconds without a settled message after which an import counts as broken off
_INTERVAL = 0.5  # seconds between looks while a consumer has messages in hand


@dataclass(frozen=True)
class Account:
    """What became of one file's rows in one import."""

    imported_at: datetime
    feed: str
    source: str | None
    published_messages: int | None  # None: the producer did not come to its end
    published: int
    last_line: int
    error: str | None  # why the producer could not read the whole file
    settled_messages: int
    stored: int
    already_there: int
    rejected: int
    dead: int
    n_unbalanced: int
    is_superseded: bool
    replayed: int  # rows that were rejected at first, and stored by a replay
    pruned: int  # rows that were stored, in days that have been dropped since
    idle_seconds: float | None  # since a message of it was settled last

    @property
    def accounted(self) -> int:
        """Rows whose fate is known."""
        return self.stored + self.already_there + self.rejected + self.dead

    @property
    def missing_messages(self) -> int:
        """Messages that were published and are not settled."""
        return max(0, (self.published_messages or 0) - self.settled_messages)


@dataclass(frozen=True)
class Verdict:
    """Whether an account adds up, and if not, why."""

    account: Account
    queued: int
    problem: str | None
    is_under_way: bool = False  # its producer has not said yet that it is done

    def __str__(self) -> str:
        a = self.account
        lines = [
            f"{a.imported_at:%Y-%m-%d %H:%M:%S} {a.feed} {a.source}: {a.published:,} published = "
            f"{a.stored:,} stored + {a.already_there:,} already there + {a.rejected:,} rejected + "
            f"{a.dead:,} dead + {self.queued:,} queued"
        ]
        if self.is_under_way:
            lines.append("under way: its producer has not come to its end yet")
        if self.problem:
            lines.append(self.problem)
        if a.pruned:
            lines.append(f"{a.pruned:,} of these rows were in days that have been pruned since")
        if a.error:
            lines.append(f"the file was not read to its end: {a.error}")
        return "\n  ".join(map(visible, lines))


@dataclass(frozen=True)
class Audit:
    """The verdicts on all imports, and what waits in the queues."""

    verdicts: Sequence[Verdict]
    waiting: Mapping[str, QueueState]  # by feed, where there is something

    @property
    def stuck(self) -> list[str]:
        """The feeds whose messages wait and have no consumer."""
        return [feed for feed, state in self.waiting.items() if state.is_stuck]


def audit(settings: Settings, count_rows: bool) -> Audit:
    """The verdicts on all imports.

    What a consumer has in hand is nobody's for a moment, so a mismatch is looked at again, as
    long as the patience of the settings. An import that is under way is none.

    Args:
        count_rows: also compare with the rows that the raw tables really have, which takes
            reading them.
    """
    deadline = time.monotonic() + settings.patience_seconds
    while True:
        found = _audit_once(settings, count_rows)
        unsettled = any(v.problem and v.account.missing_messages for v in found.verdicts)
        if not unsettled or time.monotonic() > deadline:
            return found
        time.sleep(_INTERVAL)


def _audit_once(settings: Settings, count_rows: bool) -> Audit:
    feeds = {queue_of(feed.name): feed.name for feed in FEEDS.values() if feed.queued}
    states = queue_states(settings.rabbitmq_url, list(feeds))
    states = {feeds[queue]: state for queue, state in states.items()}
    left = {feed: state.messages for feed, state in states.items()}
    with (
        connect(settings.database_url, "event-audit", READ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query("raw/audit"))
        accounts = [Account(*row) for row in cursor]
        verdicts = []
        for account in reversed(accounts):  # what waits is most likely the latest
            missing = account.missing_messages
            queued = 0
            if 0 < missing <= left.get(account.feed, 0):
                left[account.feed] -= missing
                queued = account.published - account.accounted
            if _is_under_way(account, left.get(account.feed, 0)):
                verdicts.append(Verdict(account, queued, None, is_under_way=True))
            else:
                problem = _problem(cursor, account, queued, count_rows)
                verdicts.append(Verdict(account, queued, problem))
    waiting = {feed: state for feed, state in states.items() if state.messages}
    return Audit(verdicts[::-1], waiting)


def _is_under_way(account: Account, n_waiting: int) -> bool:
    """Whether an import without an end may still come to it: rows of it were settled just now, or
    what waits may be the rest of it."""
    if account.published_messages is not None or account.is_superseded:
        return False
    return n_waiting > 0 or (account.idle_seconds or 0) < _IDLE


def _problem(cursor: Cursor, account: Account, queued: int, count_rows: bool) -> str | None:
    if account.published_messages is None:
        if account.is_superseded:
            return None
        return "the import did not come to its end: run it again"
    if account.n_unbalanced:
        return f"the rows of {account.n_unbalanced} messages do not add up"
    lost = account.published - account.accounted - queued
    if lost or (account.missing_messages and not queued):
        return f"{lost:,} rows are nowhere: {_gaps(cursor, account)}; run the import again"
    if count_rows:
        table = FEEDS[account.feed].table
        found = count_where(cursor, table, "imported_at", account.imported_at)
        wanted = account.stored + account.replayed - account.pruned
        if found < wanted or (found > wanted and not account.dead):
            return f"the table has {found:,} rows of this import, not {wanted:,}"
    return None


def _gaps(cursor: Cursor, account: Account) -> str:
    cursor.execute(
        query("raw/audit_gaps"),
        {
            "imported_at": account.imported_at,
            "feed": account.feed,
            "last_line": account.last_line,
        },
    )
    gaps: Sequence[tuple[int, int]] = cursor.fetchall()
    shown = ", ".join(f"{first:,} to {last:,}" for first, last in gaps[:_SHOWN_GAPS])
    return f"lines {shown}" + (f" and {len(gaps) - _SHOWN_GAPS} more" if gaps[5:] else "")
