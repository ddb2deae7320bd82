"""The faults: each attacks a crew while an import is on its way, and mends what it broke."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.programs import execute
from chaos.amqp import RawPublisher
from chaos.crew import HEARTBEAT, Crew
from chaos.hostile import hostile_message

_HOSTILE = 500  # messages of a round


@dataclass
class Attack:
    """What a fault may lay hands on; ``longest`` is how many seconds an outage may last."""

    crew: Crew
    importing: subprocess.Popen[str]
    dice: random.Random
    longest: float
    note: str = ""

    def outage(self, shortest: float = 1.0) -> float:
        """Seconds that something is to be away."""
        return self.dice.uniform(shortest, max(shortest, self.longest))


Fault = Callable[[Attack], None]


def kill_a_consumer(attack: Attack) -> None:
    attack.crew.kill(1, attack.dice)


def kill_two_of_three_consumers(attack: Attack) -> None:
    attack.crew.kill(2, attack.dice)


def kill_the_producer(attack: Attack) -> None:
    attack.importing.kill()


def stop_postgres_immediately(attack: Attack) -> None:
    attack.crew.stack.postgres.stop(at_once=True)
    time.sleep(attack.outage() / 4)
    attack.crew.stack.postgres.start()


def restart_rabbitmq(attack: Attack) -> None:
    attack.crew.stack.rabbitmq.stop()
    attack.crew.stack.rabbitmq.start()
    attack.crew.stack.rabbitmq.wait()


def restart_both(attack: Attack) -> None:
    attack.crew.stack.postgres.stop(at_once=True)
    restart_rabbitmq(attack)
    attack.crew.stack.postgres.start()


def cut_off_the_broker(attack: Attack) -> None:
    attack.crew.broker.cut()
    time.sleep(attack.outage(5))
    attack.crew.broker.mend()


def cut_off_the_database(attack: Attack) -> None:
    attack.crew.database.cut()
    time.sleep(attack.outage(5))
    attack.crew.database.mend()


def slow_network(attack: Attack) -> None:
    delay = attack.dice.uniform(0.01, 0.2)
    attack.crew.broker.slow_down(delay)
    attack.crew.database.slow_down(delay)
    time.sleep(attack.outage(5))
    attack.crew.broker.mend()
    attack.crew.database.mend()


def lock_the_table_longer_than_the_heartbeat(_: Attack) -> None:
    execute(
        "BEGIN; LOCK TABLE raw.user_events IN ACCESS EXCLUSIVE MODE;"
        f" SELECT pg_sleep({3 * HEARTBEAT}); COMMIT"
    )


def statement_errors(attack: Attack) -> None:
    """Disk full, a serialization failure, a deadlock: every insert fails, for a while."""
    code = attack.dice.choice(["53100", "40001", "40P01", "57014", "58030"])
    attack.note = f"SQLSTATE {code}"
    with _trigger(code):
        time.sleep(attack.outage())


@contextmanager
def _trigger(code: str) -> Iterator[None]:
    execute(
        "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$;"
        " CREATE TRIGGER fail BEFORE INSERT ON raw.user_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.fail()"
    )
    try:
        yield
    finally:
        execute("DROP TRIGGER fail ON raw.user_events; DROP FUNCTION public.fail()")


def revoke_a_right(attack: Attack) -> None:
    """A broken environment: no event may become a dead letter for it."""
    execute("REVOKE INSERT ON raw.user_events FROM warehouse_ingest")
    time.sleep(attack.outage())
    execute("GRANT INSERT ON raw.user_events TO warehouse_ingest")


def stop_a_consumer(attack: Attack) -> None:
    seconds = attack.crew.terminate(attack.dice)
    attack.note = f"exit 0 after {seconds:.2f} s"
    if seconds > 10:
        raise AssertionError(f"a consumer took {seconds:.1f} s to stop")


def undecodable_messages_among_good_ones(attack: Attack) -> None:
    """Hostile properties, headers and bodies: none may cost another message, or a consumer."""
    refused = 0
    with RawPublisher() as publisher:
        for number in range(_HOSTILE):
            message = hostile_message(number, attack.dice, claims_imports=False)
            refused += not publisher.publish(
                message.exchange, message.routing_key, message.properties, message.body
            )
    attack.note = f"{_HOSTILE - refused} of them, {refused} more refused by the broker"
    if attack.crew.exits:
        raise AssertionError(f"consumers ended: {attack.crew.exits}")


FAULTS: list[Fault] = [
    kill_a_consumer,
    kill_two_of_three_consumers,
    kill_the_producer,
    stop_postgres_immediately,
    restart_rabbitmq,
    restart_both,
    cut_off_the_broker,
    cut_off_the_database,
    slow_network,
    lock_the_table_longer_than_the_heartbeat,
    statement_errors,
    revoke_a_right,
    stop_a_consumer,
    undecodable_messages_among_good_ones,
]
