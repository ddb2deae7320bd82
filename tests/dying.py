"""``python -m tests.dying STEP ARGUMENT…``: one of our programs that dies at a named step.

The steps are patched in from outside: the programs know nothing of them.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import consumer.__main__
import consumer.batch
import consumer.service
import consumer.writer
import etls.__main__
import etls.runner
import lake.command
import producer.__main__
from consumer.decoders import decode
from consumer.writer import RawTables
from warehouse.postgres import copy_in
from warehouse.rabbitmq import Link

_SECOND = 2  # times that a step is come to before it is fatal: something is stored already


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(function: Callable[..., Any], *, before: bool, at: int = _SECOND) -> Callable[..., Any]:
    """The function, fatal before or after its n-th call."""
    calls = count(1)

    def replacement(*arguments: Any, **named: Any) -> Any:
        fatal = next(calls) == at
        if fatal and before:
            _die()
        result = function(*arguments, **named)
        if fatal:
            _die()
        return result

    return replacement


def _batch_taken() -> None:
    setattr(RawTables, "write", _dying(RawTables.write, before=True))


def _after_copy() -> None:
    # The first copies check that the tables can be written: of nothing, one a table.
    fatal = _dying(copy_in, before=False)

    def copy_in_and_die(cursor: Any, table: Any, columns: Any, rows: Any) -> None:
        (fatal if rows else copy_in)(cursor, table, columns, rows)

    setattr(consumer.writer, "copy_in", copy_in_and_die)


def _before_commit() -> None:
    setattr(consumer.writer, "_write", _dying(getattr(consumer.writer, "_write"), before=False))


def _after_commit() -> None:
    setattr(RawTables, "write", _dying(RawTables.write, before=False))


def _between_acknowledgements() -> None:
    settle = Link.settle

    def half(link: Link, outcomes: Any) -> None:
        if len(outcomes) < 2:
            settle(link, outcomes)
            return
        settle(link, outcomes[: len(outcomes) // 2])
        time.sleep(0.5)  # the other thread sends them
        _die()

    setattr(Link, "settle", half)


def _between_publish_and_confirm() -> None:
    setattr(Link, "_on_confirmed", _dying(getattr(Link, "_on_confirmed"), before=True, at=5))


def _poison() -> None:
    def fatal(delivery: Any, *others: Any) -> Any:
        if delivery.message_id == "poison":
            _die()
        return decode(delivery, *others)

    setattr(consumer.batch, "decode", fatal)


def _hanging() -> None:
    def endless(delivery: Any, *others: Any) -> Any:
        if delivery.message_id == "poison":
            time.sleep(3600)
        return decode(delivery, *others)

    setattr(consumer.batch, "decode", endless)
    setattr(consumer.service, "HANDLER_SECONDS", 0.5)


def _failing() -> None:
    def defective(delivery: Any, *others: Any) -> Any:
        if delivery.message_id == "poison":
            raise ZeroDivisionError("secret value")
        return decode(delivery, *others)

    setattr(consumer.batch, "decode", defective)


def _before_the_commit() -> None:
    """Say which process of the server is about to commit; the test kills that, or us."""
    record = getattr(etls.runner, "record_success")

    def announce(cursor: Any, *arguments: Any) -> None:
        record(cursor, *arguments)
        print(cursor.connection.info.backend_pid, flush=True)
        time.sleep(0.002)  # the test needs as long to read that: it kills before or after

    setattr(etls.runner, "record_success", announce)


STEPS: dict[str, Callable[[], None]] = {
    "batch-taken": _batch_taken,
    "after-copy": _after_copy,
    "before-commit": _before_commit,
    "after-commit": _after_commit,
    "between-acknowledgements": _between_acknowledgements,
}
OTHERS: dict[str, Callable[[], None]] = {
    "between-publish-and-confirm": _between_publish_and_confirm,
    "poison": _poison,
    "hanging": _hanging,
    "failing": _failing,
}
OF_THE_LAKE: dict[str, Callable[[], None]] = {
    "between-publish-and-confirm-of-the-lake": _between_publish_and_confirm,
}
OF_ETLS: dict[str, Callable[[], None]] = {
    "before-the-commit": _before_the_commit,
}


if __name__ == "__main__":
    STEP = sys.argv.pop(1)
    {**STEPS, **OTHERS, **OF_THE_LAKE, **OF_ETLS}[STEP]()
    if STEP in OF_ETLS:
        etls.__main__.main()
    elif STEP in OF_THE_LAKE:
        lake.command.main()
    elif STEP == "between-publish-and-confirm":
        producer.__main__.main()
    else:
        consumer.__main__.main()
