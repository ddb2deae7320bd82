"""The properties of a message: read like pika where pika can, and without an error where not."""

import json
import struct
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.rabbitmq.properties import UNDECODED, Properties

DEEP = 3000
TEXT = st.text(max_size=40)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXT
    | st.binary(max_size=20)
    | st.datetimes(
        datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)
    ).map(lambda found: found.replace(microsecond=0)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def short(raw: bytes) -> bytes:
    """A short string."""
    return bytes([len(raw)]) + raw


def nested(kind: bytes, depth: int) -> bytes:
    """A value of tables or arrays inside each other."""
    value = b"V"
    for _ in range(depth):
        inside = short(b"k") + value if kind == b"F" else value
        value = kind + struct.pack(">I", len(inside)) + inside
    return value


def encoded(headers: bytes = b"", message_id: bytes = b"m") -> bytes:
    """Properties with a table of headers and, behind it, a message_id."""
    flags = pika.BasicProperties.FLAG_HEADERS | pika.BasicProperties.FLAG_MESSAGE_ID
    return struct.pack(">HI", flags, len(headers)) + headers + short(message_id)


def read(raw: bytes) -> Any:
    return Properties().decode(raw)


@given(
    st.dictionaries(TEXT, VALUES, max_size=5),
    st.none() | TEXT,
    st.none() | st.integers(0, 255),
    st.none() | st.integers(0, 2**64 - 1),
)
def test_what_pika_writes_is_read_as_pika_reads_it(
    headers: dict[str, Any], text: str | None, number: int | None, timestamp: int | None
) -> None:
    written = pika.BasicProperties(
        content_type=text,
        content_encoding=text,
        headers=headers,
        delivery_mode=number,
        priority=number,
        correlation_id=text,
        reply_to=text,
        expiration=text,
        message_id=text,
        timestamp=timestamp,
        type=text,
        user_id=text,
        app_id=text,
        cluster_id=text,
    )
    raw = b"".join(written.encode())
    ours, theirs = read(raw), pika.BasicProperties().decode(raw)
    found = vars(ours)
    assert ours.problem is None
    assert found == vars(theirs)


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    found = read(raw)
    assert found.problem is None or raw.hex() == found.headers[UNDECODED]
    json.dumps(found.headers, default=str, allow_nan=False)


@given(st.binary(max_size=100), st.binary(max_size=10))
def test_whatever_the_headers_are_the_properties_behind_them_are_read(
    headers: bytes, message_id: bytes
) -> None:
    found = read(encoded(headers, message_id))
    assert found.message_id == message_id.decode(errors="backslashreplace")
    json.dumps(found.headers, default=str, allow_nan=False)


@pytest.mark.parametrize("seconds", [2**61, 2**64 - 1])
def test_an_instant_that_python_cannot_tell_is_a_number(seconds: int) -> None:
    found = read(encoded(short(b"at") + b"T" + struct.pack(">Q", seconds)))
    assert (found.headers, found.problem) == ({"at": seconds}, None)


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_deep_nesting_costs_what_lies_deep(kind: bytes) -> None:
    found = read(encoded(short(b"deep") + nested(kind, DEEP) + short(b"x") + b"I\0\0\0\7"))
    assert found.problem is None
    assert found.headers["x"] == 7
    assert "nested more than 32 deep" in json.dumps(found.headers)
    assert found.message_id == "m"


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (b"d", struct.pack(">d", float("nan")), "nan"),
        (b"d", struct.pack(">d", float("-inf")), "-inf"),
        (b"f", struct.pack(">f", 1.5), 1.5),
        (b"D", b"\xff" + struct.pack(">i", 7), Decimal(7).scaleb(-255)),
        (b"S", b"\0\0\0\1\xff", b"\xff"),
    ],
)
def test_legal_values_are_no_problem(kind: bytes, raw: bytes, value: object) -> None:
    found = read(encoded(short(b"k") + kind + raw))
    assert (found.headers, found.problem) == ({"k": value}, None)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (encoded(message_id=b"\xff\xfe"), "the property message_id is not UTF-8"),
        (encoded(short(b"k") + b"Q"), "a header cannot be read: no value is of type b'Q'"),
        (encoded(short(b"k") + b"S\xff\0\0\0"), "a header cannot be read: the properties are cut"),
        (encoded()[:-1], "the properties are cut short"),
        (b"", "the properties are cut short"),
        (b"\xff\xff" * 3, "the properties are cut short"),
    ],
)
def test_a_problem_is_said_and_the_bytes_are_kept(raw: bytes, problem: str) -> None:
    found = read(raw)
    assert found.problem is not None and found.problem.startswith(problem)
    assert bytes.fromhex(found.headers[UNDECODED]) == raw
