"""Rows in COPY's text format: what PostgreSQL would read back."""

from datetime import datetime, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from warehouse.postgres import _line

VALUE = st.none() | st.text(alphabet='ab\\N\t\n\r\x0b"é🦄', max_size=6)
UNESCAPED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}


def read_back(text: str) -> str | None:
    """One value, as the PostgreSQL manual says (COPY, Text Format)."""
    if text == "\\N":
        return None
    out, rest = "", text
    while rest:
        if rest.startswith("\\"):
            out, rest = out + UNESCAPED[rest[:2]], rest[2:]
        else:
            out, rest = out + rest[0], rest[1:]
    return out


@given(st.lists(VALUE, min_size=1, max_size=5))
def test_every_text_and_null_is_read_back(values: list[str | None]) -> None:
    line = _line(values)
    assert line.endswith("\n") and "\n" not in line[:-1] and "\r" not in line
    assert [read_back(text) for text in line[:-1].split("\t")] == values


def test_other_values_are_spelled_as_postgres_reads_them() -> None:
    instant = datetime(2020, 12, 6, 22, 3, 16, 759617, tzinfo=timezone.utc)
    assert _line([UUID(int=1), instant, 7, {"a": "b\\c"}, None]) == (
        "00000000000000000000000000000001\t2020-12-06T22:03:16.759617+00:00\t7\t"
        '{"a": "b\\\\\\\\c"}\t\\N\n'
    )
