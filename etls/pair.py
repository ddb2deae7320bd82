"""Two sessions that work on one run, each for a share of the users, and commit as one.

PostgreSQL writes in one process for each transaction, so two of them keep two processor cores busy.
Both see the same snapshot. At the end the follower is told to commit as soon as the leader has; it
waits for that in the server, where it needs nobody any more: whoever of us is killed, and whenever,
both have committed or neither has. Only a crash of the server, or who ends the follower in it, can
come between the two, in the millisecond that lies there; then the ledger, which the follower
writes, knows of no good run.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from warehouse.postgres import Connection, Cursor
from warehouse.queries import query

T = TypeVar("T")


def work_in_two(
    connection: Connection,
    second: Connection,
    etl: str,
    lead: Callable[[Cursor], T],
    follow: Callable[[Cursor], T],
    finish: Callable[[Cursor, T, T], T],
) -> T:
    """Do two things for an ETL beside each other, then a last one, in transactions that end as one.

    ``connection`` is in a transaction, which leads, and ``second`` in none; ``finish`` is told what
    the two have returned, and writes in the other.

    Raises:
        LockTimeout: one of them waited too long for a lock, perhaps of the other, which only ends
            with it.
    """
    with connection.cursor() as leader, second.cursor() as follower:
        leader.execute(query("meta/lead"))
        ((transaction, snapshot),) = leader.fetchall()
        follower.execute(query("meta/follow"), {"snapshot": snapshot, "etl": etl})
        followed = _Beside(lambda: follow(follower))
        try:
            led = lead(leader)
        except BaseException:
            while followed.is_alive():
                second.cancel()  # the statement in hand; there may be more
                followed.join(0.1)
            raise
        result = finish(follower, led, followed.result())
        _commit(leader, follower, transaction)
        return result


def _commit(leader: Cursor, follower: Cursor, transaction: str) -> None:
    behind = {"transaction": transaction}
    committed = _Beside(lambda: follower.execute(query("meta/commit_behind"), behind))
    pids = {"pid": follower.connection.info.backend_pid}
    try:
        while committed.is_alive() and not _is_waiting(leader, pids):
            time.sleep(0.001)
        if committed.is_alive():
            leader.connection.commit()
    except BaseException:
        with suppress(Exception):  # if it is lost, the server has rolled it back
            leader.connection.rollback()  # or the follower would wait for ever
        raise
    committed.result()
    leader.execute(query("meta/flush"))  # neither of the two has waited for the disk
    leader.connection.commit()


def _is_waiting(leader: Cursor, pids: dict[str, int]) -> bool:
    leader.execute(query("meta/is_waiting"), pids)
    return leader.fetchall() == [(True,)]


class _Beside(threading.Thread, Generic[T]):
    """Something that is being done in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._done: T
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._done = self._work()
        except BaseException as error:  # pylint: disable=broad-exception-caught
            self._error = error  # for whoever asks for the result

    def result(self) -> T:
        """What came of it, once it is done; an error is raised here."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._done
