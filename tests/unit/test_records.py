"""Where records end, whatever the bytes."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.core.declaration import Dialect
from feeds.core.records import (
    MAX_RECORD_LINES,
    MalformedRecord,
    Record,
    parse_fields,
    parse_header,
    split_records,
    whole_records,
)
from tests.builders import USER_EVENTS

COMMA = Dialect()
INTERACTIONS = Dialect(quote="'", has_header=False, skip_space=True)


def split(text: bytes, width: int, dialect: Dialect = COMMA) -> list[Record]:
    return list(split_records(text.removesuffix(b"\n").split(b"\n"), dialect, width))


def test_a_line_is_a_record_and_keeps_its_number() -> None:
    assert split(b"a,b\nc,d", 2) == [Record(1, b"a,b"), Record(2, b"c,d")]


def test_a_quoted_line_break_stays_inside_its_record() -> None:
    assert split(b'a,"x\r\ny"\r\nc,d\r\n', 2) == [Record(1, b'a,"x\r\ny"'), Record(3, b"c,d")]


def test_an_unclosed_quote_costs_its_own_line_only() -> None:
    records = split(b'a,"never closed\nc,d\ne,"f, g"\n', 2)
    assert [record.line for record in records] == [1, 2, 3]
    with pytest.raises(MalformedRecord, match="not closed"):
        parse_fields(records[0].raw, COMMA)
    assert parse_fields(records[2].raw, COMMA) == ["e", "f, g"]


def test_an_unclosed_quote_before_a_quoted_field_does_not_swallow_it() -> None:
    records = split(b'a,"open\nb,"closed"\nc,d\n', 2)
    assert [record.raw for record in records] == [b'a,"open', b'b,"closed"', b"c,d"]


def test_a_quote_that_never_closes_is_given_up_after_a_bounded_look_ahead() -> None:
    lines = [b'a,"open'] + [b"b,c"] * (3 * MAX_RECORD_LINES)
    records = list(split_records(lines, COMMA, 2))
    assert len(records) == len(lines)


def test_thousands_of_unclosed_quotes_are_thousands_of_records() -> None:
    assert len(split(b'a,"x\n' * 5001, 2)) == 5001


def test_a_literal_quote_in_an_unquoted_field_is_a_character() -> None:
    assert parse_fields(b'a,5" pipe', COMMA) == ["a", '5" pipe']
    assert [r.raw for r in split(b'a,5" pipe\nb,6" pipe\n', 2)] == [b'a,5" pipe', b'b,6" pipe']


def test_quotes_are_literal_where_the_dialect_has_none() -> None:
    dialect = Dialect(delimiter="\t", quote=None)
    assert parse_fields(b'x\t{"a": 1}', dialect) == ["x", '{"a": 1}']


def test_single_quotes_after_a_blank_are_quotes() -> None:
    assert parse_fields(b"12, '18-45', 'TR'", INTERACTIONS) == ["12", "18-45", "TR"]


def test_bytes_that_are_not_utf_8_are_named_by_their_place() -> None:
    with pytest.raises(MalformedRecord, match="not UTF-8 at byte 3"):
        parse_fields(b"a,\xe9", COMMA)


def test_a_header_may_have_another_order() -> None:
    names = tuple(reversed(USER_EVENTS.header))
    assert parse_header(",".join(names).encode() + b"\r\n", USER_EVENTS) == names


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"id,event_type", "column 'username' is missing"),
        (b"id;event_type", "no header of user_events, which is 'id,event_type,"),
        (",".join((*USER_EVENTS.header, "id")).encode(), "column 'id' occurs twice"),
        (",".join((*USER_EVENTS.header, "extra")).encode(), "column 'extra' is unknown"),
        ("id,event_type".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_wrong_header_is_named(header: bytes, complaint: str) -> None:
    with pytest.raises(MalformedRecord, match=complaint):
        parse_header(header, USER_EVENTS)


FIELD = st.text(st.characters(exclude_characters="\x00\r", codec="utf-8"), max_size=8)


@given(st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    records = split(text.getvalue().encode(), 3)
    assert [parse_fields(record.raw, COMMA) for record in records] == rows


LINE = st.text(',"\rx', max_size=6).map(str.encode)


@given(st.lists(LINE))
def test_no_byte_is_lost_whatever_comes(lines: list[bytes]) -> None:
    records = list(split_records(lines, COMMA, 2))
    rejoined = b"\n".join(record.raw for record in records)
    assert rejoined.replace(b"\r", b"") == b"\n".join(lines).replace(b"\r", b"")
    assert [r.line for r in records] == sorted({r.line for r in records})


@given(st.lists(LINE, min_size=1), st.lists(LINE))
def test_lines_cut_where_they_may_be_make_the_same_records(
    lines: list[bytes], following: list[bytes]
) -> None:
    count, inner = whole_records(lines, COMMA, 2)
    whole = list(split_records(lines + following, COMMA, 2))
    first = list(split_records(lines[:count], COMMA, 2))
    rest = list(split_records(lines[count:] + following, COMMA, 2, count + 1))
    assert first + rest == whole
    assert len(first) == count - len(inner)
