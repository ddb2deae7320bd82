"""What the feeds' types take and refuse."""

from datetime import date, datetime, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from feeds.core.types import CalendarDate, HexId, Instant, Integer, JsonObject, Text


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-12-06 22:03:16.759617", datetime(2020, 12, 6, 22, 3, 16, 759617)),
        ("2020-12-06T22:03:16Z", datetime(2020, 12, 6, 22, 3, 16)),
        ("2020-12-06 22:03", datetime(2020, 12, 6, 22, 3)),
        ("2019-02-15 03:07:03.662 +0000", datetime(2019, 2, 15, 3, 7, 3, 662000)),
        ("2020-12-06 01:00:00+03:00", datetime(2020, 12, 5, 22, 0)),
    ],
)
def test_an_instant_is_utc_unless_it_says_otherwise(text: str, instant: datetime) -> None:
    assert TypeAdapter(Instant).validate_python(text) == instant.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "value",
    [
        "1607292196",
        1607292196,
        "2020-12-06",
        "2020-02-30 00:00:00",
        "2020-12-06 24:30:00",
        "0001-01-01 00:00:00+10:00",
        "٢٠٢٠-12-06 22:03:16",
        "06.12.2020 22:03",
        "2020-12-06 22:03:16 +99:00",
        None,
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(value)


def test_an_instant_is_taken_as_it_is_with_utc_for_a_missing_zone() -> None:
    naive = datetime(2020, 12, 6)
    assert TypeAdapter(Instant).validate_python(naive) == naive.replace(tzinfo=timezone.utc)


def test_dates_are_strict() -> None:
    adapter = TypeAdapter(CalendarDate)
    assert adapter.validate_python("2011-08-16") == date(2011, 8, 16)
    assert adapter.validate_python(date(2011, 8, 16)) == date(2011, 8, 16)
    for wrong in ("2011-8-16", "2011-02-30", "20110816", 15202, "2011-08-16 00:00"):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_integers_are_strict_and_bounded() -> None:
    adapter = TypeAdapter(Integer)
    assert adapter.validate_python("-12") == -12
    assert adapter.validate_python(12) == 12
    for wrong in ("1.0", "1_000", " 1", "", "9223372036854775808", True, 1.5):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_text_is_kept_byte_for_byte_but_for_what_postgres_cannot_store() -> None:
    adapter = TypeAdapter(Text)
    assert adapter.validate_python("  padded \t\r\n🦄") == "  padded \t\r\n🦄"
    for wrong in ("a\x00b", "\ud800", 5):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_hex_ids_have_24_digits() -> None:
    adapter = TypeAdapter(HexId)
    assert adapter.validate_python("5bfd0e8d472bcf0009a1014d")
    for wrong in ("5bfd", "5bfd0e8d472bcf0009a1014g", "5bfd0e8d472bcf0009a1014d\n"):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_json_is_read_bare_and_as_exports_quote_it() -> None:
    adapter = TypeAdapter(JsonObject)
    assert adapter.validate_python('{"id": "a", "n": [1, "x"]}') == {"id": "a", "n": [1, "x"]}
    assert adapter.validate_python('"{""id"": ""a""}"') == {"id": "a"}
    assert adapter.validate_python({"id": "a"}) == {"id": "a"}
    assert adapter.validate_python('{"path": "\\\\u0000"}') == {"path": "\\u0000"}


@pytest.mark.parametrize(
    "wrong",
    [
        '{"id": ',
        "[1]",
        "null",
        '{"n": NaN}',
        '{"a": "\\u0000"}',
        '{"\\ud800": 1}',
        "[" * 100_000,
    ],
)
def test_broken_json_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonObject).validate_python(wrong)
