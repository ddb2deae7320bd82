"""Bad input, a row of the table each: what is stored, what is rejected, and what a person reads."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consumer.batch import unpack
from feeds import FEEDS
from producer.encoding import bulk_messages, event_messages
from producer.sources import open_source
from tests.builders import USER_EVENTS, delivery, rows_in
from warehouse.errors import SourceError

HEADER = ",".join(USER_EVENTS.header) + "\n"
GOOD = "a,User Created,u,e,t,o,p,2020-12-06 10:00:00\n"
OPEN = 'b,User Created,"x,e,t,o,p,2020-12-06 10:00:00\n'
JSON_GOOD = '{"id": "a", "event_type": "User Created", "received_at": "2020-12-06 10:00"}'
ID24 = "5bfd0e8d472bcf0009a1014d"
NO_INSTANT = "received_at: not a date and time such as 2020-12-06 22:03:16.759617"
NO_TYPE = "event_type: Input should be 'User Created', 'User Updated' or 'User Deleted'"
NO_HEADER = "line 1: this is no header of user_events, which is 'id,event_type,"


@dataclass(frozen=True)
class Case:
    """A file, and what becomes of it."""

    name: str
    content: str | bytes
    stored: int = 0
    rejected: dict[int, str] = field(default_factory=dict)  # line: reason
    error: str | None = None
    feed: str = "user_events"

    @property
    def raw(self) -> bytes:
        """The bytes of the file."""
        return self.content if isinstance(self.content, bytes) else self.content.encode()


def with_time(text: str) -> str:
    return HEADER + GOOD.replace("2020-12-06 10:00:00", text)


def with_name(text: str) -> str:
    return HEADER + GOOD.replace(",u,", f",{text},")


def with_type(text: str) -> str:
    return HEADER + GOOD.replace("User Created", text)


WHOLE_FILES = [
    Case("empty file", "", error="the file is empty, not even a header"),
    Case("only a line break", "\n", error=NO_HEADER),
    Case("header only", HEADER),
    Case("header without line break", HEADER.strip()),
    Case("header in capitals", HEADER.upper() + GOOD, error=NO_HEADER),
    Case("another feed's header", "active_date,user_id\n", error=NO_HEADER),
    Case("bytes that are no text", bytes(range(256)) * 10, error=NO_HEADER),
    Case("semicolons", (HEADER + GOOD).replace(",", ";"), error=NO_HEADER),
    Case("tabs", (HEADER + GOOD).replace(",", "\t"), error=NO_HEADER),
    Case(
        "missing column", HEADER.replace("plan_name,", ""), error="column 'plan_name' is missing;"
    ),
    Case("extra column", HEADER.strip() + ",x\n", error="column 'x' is unknown;"),
    Case(
        "duplicate column",
        HEADER.replace("plan_name", "username"),
        error="column 'plan_name' is missing, column 'username' occurs twice;",
    ),
    Case("UTF-16", (HEADER + GOOD).encode("utf-16"), error="is UTF-16; save it as UTF-8"),
    Case("UTF-16 without a mark", (HEADER + GOOD).encode("utf-16-le"), error=NO_HEADER),
    Case(
        "two byte order marks",
        b"\xef\xbb\xbf" * 2 + HEADER.encode(),
        error=r"column '\ufeffid' is unknown",
    ),
    Case(
        "carriage returns alone",
        (HEADER + GOOD).replace("\n", "\r"),
        error="line 1: a carriage return outside quotes",
    ),
    Case(
        "gzip cut short",
        gzip.compress((HEADER + GOOD * 5000).encode())[:-40],
        stored=4731,
        error="the compressed file is cut short after line 4732",
    ),
    Case("no gzip after all", b"\x1f\x8bgarbage" * 50, error="cannot be read (Unknown compression"),
    Case(
        "gzip with garbage behind",
        gzip.compress((HEADER + GOOD).encode()) + b"garbage",
        error="cannot be read (Not a gzipped file",
    ),
    Case(
        "JSON array that breaks off",
        f"[{JSON_GOOD},",
        stored=1,
        error="after element 1: broken JSON (Incomplete JSON content)",
    ),
    Case(
        "JSON array with more behind",
        f"[{JSON_GOOD}] x",
        stored=1,
        error="after element 1: broken JSON (Additional data found)",
    ),
]

ACCEPTED = [
    Case("byte order mark", b"\xef\xbb\xbf" + (HEADER + GOOD).encode(), stored=1),
    Case("CRLF", (HEADER + GOOD).replace("\n", "\r\n"), stored=1),
    Case("no last line break", (HEADER + GOOD).rstrip(), stored=1),
    Case("blanks in the header", HEADER.replace(",", ", ") + GOOD, stored=1),
    Case("quoted header", '"' + HEADER.strip().replace(",", '","') + '"\n' + GOOD, stored=1),
    Case(
        "reordered columns",
        "received_at,"
        + HEADER.replace(",received_at", "")
        + "2020-12-06 10:00:00,"
        + GOOD.rsplit(",", 1)[0],
        stored=1,
    ),
    Case("blank lines", HEADER + "\n\n" + GOOD + "\n  \n", stored=1),
    Case("a quote inside a field", with_name('5" pipe'), stored=1),
    Case("a field of 200,000 characters", with_name("x" * 200_000), stored=1),
    Case("a zone", with_time("2020-12-06 10:00:00+02:00"), stored=1),
    Case("UTC as Z", with_time("2020-12-06T10:00:00Z"), stored=1),
    Case("the year 9999", with_time("9999-12-31 23:59:59"), stored=1),
    Case("the word NULL", HEADER + GOOD.replace("a,", "NULL,", 1), stored=1),
    Case("an id of one blank", HEADER + GOOD.replace("a,", " ,", 1), stored=1),
    Case("an empty JSON array", "[]"),
    Case("a JSON key twice: the last counts", '{"id": "x", ' + JSON_GOOD[1:], stored=1),
]

ROWS = [
    Case("too few fields", HEADER + "a,b\n" + GOOD, 1, {2: "2 fields where 8 are expected"}),
    Case("too many fields", HEADER + GOOD.strip() + ",\n", 0, {2: "9 fields where 8 are"}),
    Case(
        "a line of 50 MB",
        with_name("x" * 50_000_000) + GOOD,
        1,
        {2: "50,000,043 bytes long; lines may have 8 MiB"},
    ),
    Case("a comment", HEADER + "# hi\n" + GOOD, 1, {2: "1 fields where 8 are expected"}),
    Case("the header again", HEADER + HEADER + GOOD, 1, {2: f"{NO_TYPE}; {NO_INSTANT}"}),
    Case("quote never closed, last", HEADER + GOOD + OPEN, 1, {3: "a quote is not closed"}),
    Case("quote never closed, first", HEADER + OPEN + GOOD, 1, {2: "a quote is not closed"}),
    Case(
        "two quotes never closed",
        HEADER + OPEN + OPEN + GOOD,
        1,
        {2: "a quote is not closed", 3: "a quote is not closed"},
    ),
    Case("text after a quote", with_name('"u"x') + GOOD, 1, {2: "text after a closing quote"}),
    Case("backslash before a quote", with_name('"u\\""') + GOOD, 1, {2: "a quote is not closed"}),
    Case("NUL", with_name("u\0") + GOOD, 1, {2: "username: contains a NUL character"}),
    Case("a line of NUL", HEADER + "\0\n" + GOOD, 1, {2: "1 fields where 8 are expected"}),
    Case(
        "Latin-1",
        HEADER.encode() + with_name("é")[len(HEADER) :].encode("latin-1") + GOOD.encode(),
        1,
        {2: "not UTF-8 at byte 16 of the row"},
    ),
    Case(
        "UTF-8 of half a surrogate pair",
        (HEADER + "a,User Created,").encode() + b"\xed\xa0\x80,,,,,2020-12-06 10:00:00\n",
        0,
        {2: "not UTF-8 at byte 16 of the row"},
    ),
    Case("30 February", with_time("2020-02-30 10:00:00"), 0, {2: "received_at: day is out of"}),
    Case("month 13", with_time("2020-13-01 10:00:00"), 0, {2: "received_at: month must be in"}),
    Case("24 hours", with_time("2020-12-06 24:00:00"), 0, {2: "received_at: hour must be in"}),
    Case("a leap second", with_time("2016-12-31 23:59:60"), 0, {2: "received_at: second must be"}),
    Case("the year 0", with_time("0000-12-06 10:00:00"), 0, {2: "received_at: year 0 is out of"}),
    Case("the year 10000", with_time("10000-12-06 10:00:00"), 0, {2: NO_INSTANT}),
    Case(
        "a zone of 99 hours",
        with_time("2020-12-06 10:00:00+99:00"),
        0,
        {2: "received_at: the zone"},
    ),
    Case(
        "before the year 1 in UTC",
        with_time("0001-01-01 00:00:00+10:00"),
        0,
        {2: "received_at: the year"},
    ),
    Case("seconds since 1970", with_time("1607248800"), 0, {2: NO_INSTANT}),
    Case("milliseconds since 1970", with_time("1607248800000"), 0, {2: NO_INSTANT}),
    Case("a date alone", with_time("2020-12-06"), 0, {2: NO_INSTANT}),
    Case("nanoseconds", with_time("2020-12-06 10:00:00.123456789"), 0, {2: NO_INSTANT}),
    Case("infinity", with_time("infinity"), 0, {2: NO_INSTANT}),
    Case("a blank before the time", with_time(" 2020-12-06 10:00:00"), 0, {2: NO_INSTANT}),
    Case("no time", with_time(""), 0, {2: "received_at: Field required"}),
    Case("another event type", with_type("User Renamed"), 0, {2: NO_TYPE}),
    Case("event type in small letters", with_type("user created"), 0, {2: NO_TYPE}),
    Case("no event type", with_type(""), 0, {2: "event_type: Field required"}),
    Case("no id", HEADER + GOOD[1:], 0, {2: "id: Field required"}),
    Case("JSON line that breaks off", f'{JSON_GOOD}\n{{"id"\n', 1, {2: "not JSON: Expecting ':'"}),
    Case(
        "JSON values that are no objects",
        '[1, "x", null]',
        0,
        dict.fromkeys((1, 2, 3), "not a JSON object"),
    ),
    Case(
        "JSON number for text",
        JSON_GOOD.replace('"a"', "5"),
        0,
        {1: "id: Input should be a valid string"},
    ),
    Case(
        "JSON object for text",
        JSON_GOOD.replace('"a"', "{}"),
        0,
        {1: "id: Input should be a valid"},
    ),
    Case(
        "JSON nested deeply",
        '{"id":' + "[" * 5000 + "]" * 5000 + "}",
        0,
        {1: "not JSON that can be read"},
    ),
    Case(
        "JSON with an unknown key", JSON_GOOD.replace("{", '{"x": 1, '), 0, {1: "x: Extra inputs"}
    ),
    Case(
        "half a surrogate pair",
        JSON_GOOD.replace('"a"', '"\\ud800"'),
        0,
        {1: "id: contains half of"},
    ),
    Case(
        "the same in an array",
        f"[{JSON_GOOD}]".replace('"a"', '"\\ud800"'),
        0,
        {1: "id: contains half of"},
    ),
    Case(
        "numbers out of range, broken, or short ids",
        "active_date,user_id,workspace_id,total_activity\n"
        f"2017-11-28,{ID24},{ID24},9223372036854775808\n2017-11-28,{ID24},{ID24},1.5\n"
        f"2017-11-28,5bfd,{ID24},1\n2017-11-31,{ID24},{ID24},1\n2017-11-28,{ID24},{ID24},0",
        1,
        {
            2: "total_activity: Input should be less than or equal to 9223372036854775807",
            3: "total_activity: not a whole number",
            4: "user_id: String should match pattern",
            5: "active_date: day is out of range for month",
        },
        feed="activity",
    ),
    Case(
        "ages, countries and quotes",
        "1, '18-45', 'TR'\n2, old, 'TR'\n3, , 'TUR'\nx, 1, 'TR'\n4,20,DE\n5, '20', 'D'E'\n",
        2,
        {
            2: "age: String should match pattern",
            3: "country: String should match pattern",
            4: "user_id: not a whole number",
            6: "text after a closing quote",
        },
        feed="web_users",
    ),
    Case(
        "attributes that are no JSON object",
        "TIMESTAMP\tMD5(SESSION_ID)\tEVENT_NAME\tMD5(USER_ID)\tATTRIBUTES\n"
        '2019-02-15 03:07:03.662 +0000\t\tx\t\t{"id": "a\n'
        "2019-02-15 03:07:03.662 +0000\t\tx\t\t[1]\n"
        '2019-02-15 03:07:03.662 +0000\t\tx\t\t{"a": "\\u0000"}\n'
        "2019-02-15 03:07:03.662 +0000\t\tx\t\t{}\n",
        1,
        {
            2: "ATTRIBUTES: not JSON: Unterminated string",
            3: "ATTRIBUTES: not a JSON object",
            4: "ATTRIBUTES: contains a NUL character",
        },
        feed="article_events",
    ),
]

ALL = WHOLE_FILES + ACCEPTED + ROWS


@pytest.mark.parametrize("per_event", [False, True], ids=["bulk", "per-event"])
@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_every_input_has_its_fate(case: Case, per_event: bool, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(case.raw)
    feed = FEEDS[case.feed]
    stored, error = 0, None
    rejected: dict[int, str] = {}
    try:
        with open_source(str(path), feed) as source:
            for message in (
                event_messages(feed, source, 7)
                if per_event
                else bulk_messages(feed, source, 7, 1000)
            ):
                headers: dict[str, object] = dict(message.headers)
                parcel = unpack(
                    delivery(message.body, message.content_type, feed=case.feed, headers=headers),
                    FEEDS,
                )
                assert parcel.letter is None
                stored += len(rows_in(parcel))
                rejected |= {r.row.line: r.reason for r in parcel.rejected}
    except SourceError as caught:
        error = str(caught)
    if case.error is None:
        assert error is None
    else:
        assert error is not None and error.startswith(f"{path}") and case.error in error
    assert stored == case.stored
    assert rejected.keys() == case.rejected.keys()
    for line, reason in case.rejected.items():
        assert rejected[line].startswith(reason)


def test_the_table_is_long_enough() -> None:
    assert len(ALL) >= 60
    assert len({case.name for case in ALL}) == len(ALL)


def test_an_element_that_is_nested_too_deeply_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('[{"id": "a"}, {"id": %s}, {"id": "c"}]' % ("[" * 5000 + "]" * 5000))
    with open_source(str(path), USER_EVENTS) as source:
        chunks = list(source.chunks)
    assert [(chunk.first_line, chunk.malformed) for chunk in chunks] == [
        (1, None),
        (2, "nested too deeply"),
        (3, None),
    ]


def test_a_parsers_complaint_is_short(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text('[{"id": "a"}, {"id": %s}]' % ("1" * 5000))
    with open_source(str(path), USER_EVENTS) as source, pytest.raises(SourceError) as error:
        list(source.chunks)
    assert "after element 1: broken JSON" in str(error.value) and len(str(error.value)) < 500
