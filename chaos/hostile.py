"""Messages as nobody should send them: properties, headers and bodies, whole and broken.

Each has a mark in its body, ``hostile-<number>.``, by which its fate can be found.
"""

import json
import random
from dataclasses import dataclass
from struct import pack

from chaos.amqp import long, short
from feeds import feed_named
from warehouse.message import (
    CLOUDEVENT,
    CLOUDEVENTS,
    CSV,
    DEAD_LETTERS,
    DELIVERY_COUNT,
    EVENT_ID,
    EXCHANGE,
    FIRST_LINE,
    IMPORTED_AT,
    JSON,
    MALFORMED,
    MANIFEST,
    NDJSON,
    REPLAY,
    ROWS,
    SOURCE,
    queue_of,
)

FEED = feed_named("user_events")
MARK = "hostile-"

_TEXTS = [b"", b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"x" * 255, b"\x1b[2J\r\n", b"\xc3\xa9", b"a"]
_NUMBERS = [0, 1, -1, 2**31, 2**61, 2**63 - 1, -(2**63), 10**300, 1e308, "7", None, True, [], {}]
_TYPES = [JSON, CSV, NDJSON, CLOUDEVENT, CLOUDEVENTS, "text/csv; charset=latin-1", "a/b", ""]
_NAMES = [
    *(SOURCE, FIRST_LINE, ROWS, EVENT_ID, REPLAY, DELIVERY_COUNT, "ce-id", "cloudEvents:id"),
    *("ce-source", "x-death", "x-first-death-queue", "x-first-death-reason", "traceparent"),
]
_OF_IMPORTS = [IMPORTED_AT, MALFORMED]
_LONG = "1" * 5000
_DEEP = "[" * 5000 + "]" * 5000


@dataclass(frozen=True)
class Hostile:
    """What is published."""

    exchange: bytes
    routing_key: bytes
    properties: bytes
    body: bytes
    has_mark: bool


def hostile_message(number: int, dice: random.Random, *, claims_imports: bool) -> Hostile:
    """A message; unless it ``claims_imports``, no audit finds an import that it is part of."""
    mark = f"{MARK}{number}."
    is_manifest = claims_imports and dice.random() < 0.1
    content_type = MANIFEST if is_manifest else dice.choice(_TYPES)
    body = _manifest(dice) if is_manifest else _body(mark, dice)
    names = _NAMES + (_OF_IMPORTS if claims_imports else [])
    if dice.random() < 0.1:  # by a header, under a routing key that is no text
        copies = short(b"CC") + b"A" + long(b"S" + long(queue_of(FEED.name).encode()))
        properties = _properties(mark, content_type, copies + _table(names, dice), dice)
        return Hostile(b"", b"\xff\xfe", properties, body, not is_manifest)
    properties = _properties(mark, content_type, _table(names, dice), dice)
    if dice.random() < 0.1:
        properties = _mutated(properties, dice)
    exchange, routing_key = dice.choice(
        [(EXCHANGE, FEED.name)] * 8 + [("", queue_of(FEED.name)), ("", DEAD_LETTERS)]
    )
    return Hostile(exchange.encode(), routing_key.encode(), properties, body, not is_manifest)


def _manifest(dice: random.Random) -> bytes:
    fields = {name: dice.choice(_NUMBERS) for name in ("n_messages", "n_rows", "last_line")}
    return json.dumps(fields | {"error": dice.choice([None, "\x1b[2J", 5])}).encode()


def _body(mark: str, dice: random.Random) -> bytes:
    event = {"id": mark, "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}
    text = json.dumps(event)
    header = ",".join(FEED.header)
    odd = '{"id": "%s", "username": %s}' % (mark, dice.choice([_LONG, _DEEP, "NaN", '"\\ud800"']))
    event_of_sdk = '{"id": "%s", "source": "/x", "data": %s}' % (mark, dice.choice([text, odd]))
    whole = dice.choice(
        [
            text,
            odd,
            f"{text}\n{odd}\n{text}",
            f"{header}\n{mark},User Created,,,,,,2020-12-06 10:00:00",
            f"{header}\n" + f'{mark},"' * 50,
            f"no header {mark}",
            event_of_sdk,
            f"[{event_of_sdk}, 17, {event_of_sdk}]",
            mark,
            "",
        ]
    ).encode()
    if mark.encode() not in whole or dice.random() < 0.2:
        whole = mark.encode() + b" " + dice.choice(_TEXTS) + whole
    return whole + (dice.randbytes(dice.randrange(50)) if dice.random() < 0.2 else b"")


def _properties(mark: str, content_type: str, table: bytes, dice: random.Random) -> bytes:
    """Any of the fourteen properties, in their order, behind the flags that say which."""
    flags, values = 0, b""

    def add(place: int, chance: float, value: bytes) -> None:
        nonlocal flags, values
        if dice.random() < chance:
            flags |= 1 << (15 - place)
            values += value

    add(0, 0.95, _text(content_type.encode(), dice))
    add(1, 0.1, _text(dice.choice([b"", b"gzip"]), dice))
    add(2, 1, long(table))
    add(3, 0.9, bytes([dice.choice([1, 2, 2, 2])]))
    add(4, 0.1, dice.randbytes(1))
    add(5, 0.1, _text(b"", dice))
    add(6, 0.2, _text(dice.choice([b"receipts.nobody", DEAD_LETTERS.encode(), b"amq."]), dice))
    add(8, 0.9, _text(mark.encode(), dice))  # place 7, expiration, has to be a number in time
    add(9, 0.5, pack(">Q", dice.choice([0, 2**40, 2**61, 2**64 - 1])))
    add(10, 0.3, _text(FEED.name.encode(), dice))
    add(12, 0.2, _text(b"app", dice))  # place 11, user_id, has to be the connection's user
    return pack(">H", flags) + values


def _text(usual: bytes, dice: random.Random) -> bytes:
    return short(usual if dice.random() < 0.9 else usual[:20] + dice.choice(_TEXTS))


def _table(names: list[str], dice: random.Random) -> bytes:
    entries = b""
    for _ in range(dice.choice([0, 0, 1, 2, 3, 4])):
        name = dice.choice(names).encode() if dice.random() < 0.8 else dice.choice(_TEXTS)
        entries += short(name) + _value(dice)
    if dice.random() < 0.1:
        entries += short(b"deep") + _nested(dice.choice([b"F", b"A"]), dice.choice([40, 3000]))
    return entries


def _value(dice: random.Random) -> bytes:
    seconds = dice.choice([0, 2**40, 2**61, 2**63, 2**64 - 1])
    text = dice.choice([*_TEXTS, b"5", b"00000000-0000-4000-8000-000000000001"])
    return dice.choice(
        [
            b"T" + pack(">Q", seconds),
            b"l" + pack(">q", dice.choice([0, 1, -1, 2**62, 2**63 - 1, -(2**63)])),
            b"I" + pack(">i", dice.choice([0, 1, -1, 2**31 - 1, -(2**31)])),
            b"s" + pack(">h", -1),
            b"b\xff",
            b"t\2",
            b"d" + pack(">d", dice.choice([0.5, float("nan"), float("inf"), -1e308])),
            b"f" + pack(">f", float("nan")),
            b"D\xff" + pack(">i", -1),
            b"S" + long(text),
            b"x" + long(text),
            b"V",
            b"A" + long(b"I\0\0\0\1S" + long(text)),
            b"F" + long(short(b"k") + b"T" + pack(">Q", seconds)),
        ]
    )


def _nested(kind: bytes, depth: int) -> bytes:
    value = b"V"
    for _ in range(depth):
        value = kind + long(short(b"k") + value if kind == b"F" else value)
    return value


def _mutated(raw: bytes, dice: random.Random) -> bytes:
    """With some bytes exchanged, taken away or added."""
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(raw) + 1)
        raw = raw[:place] + dice.randbytes(dice.randrange(3)) + raw[place + dice.randrange(3) :]
    return raw
