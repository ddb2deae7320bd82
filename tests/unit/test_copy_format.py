"""Rows in COPY's binary format: what PostgreSQL would read back."""

import json
import struct
from datetime import date, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from warehouse.copy_format import NULL, encode_row


def fields_of(row: bytes) -> list[bytes | None]:
    """The bytes of each field, as the PostgreSQL manual says (COPY, "Binary Format")."""
    (count,) = struct.unpack_from(">h", row)
    fields: list[bytes | None] = []
    place = 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", row, place)
        place += 4
        fields.append(None if length == -1 else row[place : place + max(length, 0)])
        place += max(length, 0)
    assert place == len(row)
    return fields


@given(st.lists(st.none() | st.text(max_size=6), max_size=5))
def test_every_text_and_null_is_read_back(values: list[str | None]) -> None:
    expected = [None if value is None else value.encode() for value in values]
    assert fields_of(encode_row(values)) == expected


@given(st.datetimes(timezones=st.just(timezone.utc)), st.dates(), st.integers(-(2**63), 2**63 - 1))
def test_instants_dates_and_numbers_are_counted_as_postgres_does(
    instant: datetime, day: date, number: int
) -> None:
    fields = fields_of(encode_row((instant, day, number)))
    (microseconds,) = struct.unpack(">q", fields[0] or b"")
    start = datetime(2000, 1, 1, tzinfo=timezone.utc)
    assert start + timedelta(microseconds=microseconds) == instant
    assert date(2000, 1, 1) + timedelta(days=struct.unpack(">i", fields[1] or b"")[0]) == day
    assert struct.unpack(">q", fields[2] or b"") == (number,)


def test_other_values_have_their_own_forms() -> None:
    fields = fields_of(encode_row((UUID(int=1), b"\x00\xff", {"a": "é"})))
    assert fields[:2] == [bytes(15) + b"\x01", b"\x00\xff"]
    attributes = fields[2] or b""
    assert attributes[:1] == b"\x01" and json.loads(attributes[1:]) == {"a": "é"}
    assert encode_row((None,)).endswith(NULL)
