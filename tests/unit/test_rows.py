"""Identity and verdicts."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import FEEDS, feed_named
from feeds.core.records import Record
from feeds.core.rows import Accepted, Rejected, identify, read_json, read_records, validate
from tests.builders import USER_EVENTS, UserEvent
from warehouse.errors import UsageError

GOOD = UserEvent().line.rstrip("\n").encode()


def verdict(raw: bytes, line: int = 2) -> Accepted | Rejected:
    (row,) = read_records(USER_EVENTS, USER_EVENTS.header, [Record(line, raw)])
    return validate(USER_EVENTS, row)


def test_a_good_row_has_the_values_of_its_columns() -> None:
    accepted = verdict(GOOD)
    assert isinstance(accepted, Accepted)
    assert dict(zip(USER_EVENTS.columns, accepted.values))["user_email"] == "zeus@olympus.gr"


def test_an_empty_field_is_null_where_it_may_be() -> None:
    accepted = verdict(UserEvent(username="", plan_name="").line.rstrip("\n").encode())
    assert isinstance(accepted, Accepted)
    assert accepted.values[2] is None and accepted.values[6] is None


@pytest.mark.parametrize(
    ("raw", "code", "column", "reason"),
    [
        (b"a,b", "malformed", None, "2 fields where 8 are expected"),
        (UserEvent(id="").line.encode().strip(), "missing", "id", "id: Field required"),
        (
            UserEvent(event_type="User Renamed").line.encode().strip(),
            "literal_error",
            "event_type",
            "event_type: Input should be 'User Created', 'User Updated' or 'User Deleted'",
        ),
        (
            UserEvent(received_at="2020-02-30 00:00:00").line.encode().strip(),
            "value_error",
            "received_at",
            "received_at: day is out of range for month",
        ),
    ],
)
def test_a_bad_row_says_why(raw: bytes, code: str, column: str | None, reason: str) -> None:
    rejected = verdict(raw)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.column, rejected.reason) == (code, column, reason)


def test_a_reject_names_every_problem_and_no_value() -> None:
    rejected = verdict(b"secret,User Renamed,secret,,,,,never")
    assert isinstance(rejected, Rejected)
    assert "event_type:" in rejected.reason and "received_at:" in rejected.reason
    assert "secret" not in rejected.reason and "never" not in rejected.reason


def test_blank_lines_are_no_rows() -> None:
    assert not list(read_records(USER_EVENTS, USER_EVENTS.header, [Record(1, b" \t")]))


def test_two_identical_rows_of_a_file_are_two_events() -> None:
    assert identify(USER_EVENTS, 2, GOOD, {}) != identify(USER_EVENTS, 3, GOOD, {})


def test_the_same_row_at_the_same_place_is_the_same_event() -> None:
    assert verdict(GOOD).row.event_id == verdict(GOOD).row.event_id


def test_equal_rows_of_two_feeds_are_two_events() -> None:
    assert identify(FEEDS["activity"], 2, b"x", {}) != identify(USER_EVENTS, 2, b"x", {})


@given(st.datetimes(), st.datetimes())
def test_ids_sort_as_the_events_happened(one: object, other: object) -> None:
    ids = [
        identify(USER_EVENTS, 2, b"row", {"received_at": f"{instant:%Y-%m-%d %H:%M:%S}".zfill(19)})
        for instant in (one, other)
    ]
    assert [i.version for i in ids] == [8, 8]
    seconds = [max(0, int(f"{i.int >> 80}")) for i in ids]
    if one < other:  # type: ignore[operator]
        assert seconds[0] <= seconds[1]


def test_a_date_alone_orders_ids_too() -> None:
    event_id = identify(FEEDS["activity"], 2, b"row", {"active_date": "1970-01-02"})
    assert event_id.int >> 80 == 86_400_000


def test_an_event_without_a_time_has_an_id_all_the_same() -> None:
    assert identify(FEEDS["web_users"], 1, b"1, '20', 'TR'", {}).int >> 80 == 0


def test_json_rows_leave_out_what_is_null() -> None:
    row = read_json(USER_EVENTS, 1, b'{"id": "z", "username": null, "plan_name": ""}')
    assert row.fields == {"id": "z"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[1]", "not a JSON object"),
        (b'{"id": ', "not JSON: Expecting value (character 8)"),
        (b'{"id": "\xff"}', "not UTF-8 at byte 9 of the row"),
        (b"[" * 100_000, "not JSON that can be read: nested too deeply"),
    ],
)
def test_json_that_is_no_row_says_why(payload: bytes, reason: str) -> None:
    rejected = validate(USER_EVENTS, read_json(USER_EVENTS, 1, payload))
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.reason) == ("malformed", reason)


def test_an_unknown_key_is_a_reject_and_no_silent_loss() -> None:
    body = b'{"id": "z", "event_type": "User Created", "received_at": "2020-12-06 10:00", "x": 1}'
    rejected = validate(USER_EVENTS, read_json(USER_EVENTS, 1, body, UUID(int=1)))
    assert isinstance(rejected, Rejected)
    assert rejected.column == "x"


def test_a_feed_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no feed is called 'users'; the feeds are activity"):
        feed_named("users")
