"""Columns and rows: two ways to read the same events, which must never differ."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import batch, bulk
from consumer.batch import Parcel, unpack, unpack_all
from consumer.blocks import COLUMNS
from feeds import FEEDS
from feeds.core.columns import column_readers, object_columns
from feeds.core.declaration import Feed
from tests.builders import USER_EVENTS, delivery, rejects_in, rows_in
from warehouse.copy_format import JSONB_VERSION
from warehouse.message import CSV, FIRST_LINE, IMPORTED_AT, JSON, Delivery

BY_COLUMNS = [feed for feed in FEEDS.values() if feed.queued and column_readers(feed)]
AT = 1_600_000_000_000_001
NASTY = st.text(max_size=4) | st.sampled_from(
    ["", " ", '"', '""', "'", "\r", "\x1e", "\x1f", "\x00", "é", "🦄", "NULL", "\\N", "x" * 40]
)
INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda at: f"{at.year:04}-{at:%m-%d %H:%M:%S.%f}"
)
TIMES = INSTANTS | st.sampled_from(
    [
        "2020-12-06 22:03:16",
        "2020-12-06T22:03:16.7",
        "2020-12-06 22:03",
        "2020-12-06 22:03:16.",
        "2020-12-06 22:03:16.7596171",
        "2020-02-30 00:00:00",
        "2020-02-29 00:00:00.1",
        "1900-02-29 00:00:00",
        "2019-02-15 03:07:03.662 +0000",
        "2019-02-15 03:07:03.662+00:00",
        "2019-02-15 03:07:03Z",
        "2019-02-15 03:07:03.662 +0200",
        "2019-02-15 24:00:00",
        "2019-13-15 03:07:03",
        "2019-00-15 03:07:03",
        "0000-01-01 00:00:00",
        "1969-12-31 23:59:59.999999",
        "２０１９-02-15 03:07:03",
        "2020-12-06",
        "never",
    ]
)
DATES = st.dates().map(str) | st.sampled_from(
    ["2020-02-30", "0001-01-01", "20-01-01", "2020-1-01", "2020-01-01 "]
)
NUMBERS = st.integers().map(str) | st.sampled_from(
    ["", "-", "+5", "-0", "007", "1.5", "9" * 18, "-" + "9" * 18, "9" * 19, "٣", str(-(2**63))]
)
HEX_IDS = st.text("0123456789abcdefABCDEF", min_size=24, max_size=24) | st.just("5bfd")
TYPES = st.sampled_from(["User Created", "User Updated", "User Deleted", "User Renamed", "user"])
AGES = st.sampled_from(["7", "18-45", "46-80", "old", "1234", "18-"])
ODD_OBJECTS = [
    '{"id": "1", "id": "2"}',
    '{ "id" : "a b" } ',
    ' {"id": "a"}',
    '{"id": "a',
    '{"id": "\\u0000"}',
    '{"id": "\\ud800"}',
    '{"id": "\\u0041"}',
    '{"id": "\x7f"}',
    '{"id": "\x01"}',
    '{"id": NaN}',
    '{"id": ["a"]}',
    '{"id": {"a": "b"}}',
    '["a"]',
    '"a"',
    '"{""id"": ""a""}"',
    "{}",
]
OBJECTS = st.dictionaries(
    st.sampled_from(["id", "ID", "é", ""]), st.sampled_from(["", "a", "🦄", "x" * 90, 1, 1.0, None])
).map(lambda value: json.dumps(value, ensure_ascii=False)) | st.sampled_from(ODD_OBJECTS)
LIKELY = {
    "received_at": TIMES,
    "event_time": TIMES,
    "active_date": DATES,
    "transactionDate": DATES,
    "user_id": HEX_IDS | NUMBERS,
    "workspace_id": HEX_IDS,
    "total_activity": NUMBERS,
    "unitsSold": NUMBERS,
    "event_type": TYPES,
    "ATTRIBUTES": OBJECTS,
    "age": AGES,
    "country": st.sampled_from(["TR", "de", "TUR", "é"]),
}


def values(feed: Feed) -> st.SearchStrategy[list[str]]:
    """A value for each column, mostly good ones."""
    return st.tuples(
        *(
            st.one_of(LIKELY.get(name, st.text(min_size=1, max_size=5)), NASTY)
            for name in feed.header
        )
    ).map(list)


def as_line(feed: Feed, quoted: bool, row: Sequence[str]) -> str:
    quote = feed.dialect.quote
    if quoted and quote:
        row = [quote + value.replace(quote, quote * 2) + quote for value in row]
    return (feed.dialect.delimiter + " " * feed.dialect.skip_space).join(row)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Feed, bytes]:
    """A file of some feed, with rows of every kind, and enough of them."""
    feed = draw(st.sampled_from(BY_COLUMNS))
    header = draw(st.permutations(feed.header)) if feed.dialect.has_header else feed.header
    order = [feed.header.index(name) for name in header]
    lines = [feed.dialect.delimiter.join(header)]
    for row in draw(st.lists(values(feed), min_size=1, max_size=12)):
        lines.append(as_line(feed, draw(st.booleans()), [row[place] for place in order]))
    lines += draw(st.lists(st.text(",|\"'\r x\x00", max_size=5), max_size=4))
    good = draw(values(feed))
    lines += [as_line(feed, False, [good[place] for place in order])] * 40
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    body = line_end.join(lines).encode()
    return feed, body + draw(st.sampled_from([b"", b"\n", b"\xff", b"\n\xe9,x"]))


def read(feed: Feed, body: bytes) -> Parcel:
    headers: dict[str, object] = {FIRST_LINE: 11, IMPORTED_AT: AT}
    return unpack(delivery(body, CSV, feed=feed.name, headers=headers), FEEDS)


def fields_of(row: bytes, feed: Feed | None) -> tuple[object, ...]:
    """The fields of an encoded row; JSON as PostgreSQL understands it, not as it is written."""
    assert feed is not None
    fields: list[object] = []
    place = 2
    while place < len(row):
        length = int.from_bytes(row[place : place + 4], "big", signed=True)
        field = row[place + 4 : place + 4 + max(length, 0)]
        fields.append(field if length >= 0 else None)
        place += 4 + max(length, 0)
    for column in object_columns(feed):
        found = fields[len(COLUMNS) + column]
        if isinstance(found, bytes):
            assert found[:1] == JSONB_VERSION
            fields[len(COLUMNS) + column] = json.dumps(json.loads(found[1:]), sort_keys=True)
    assert len(fields) == int.from_bytes(row[:2], "big") == len(COLUMNS) + len(feed.columns)
    return tuple(fields)


def verdicts(
    parcels: Sequence[Parcel],
) -> tuple[dict[bytes, tuple[object, ...]], list[tuple[object, ...]]]:
    """Every stored row by its id, every reject with its reason."""
    stored: dict[bytes, tuple[object, ...]] = {}
    for parcel in parcels:
        for event_id, row in rows_in(parcel).items():
            stored[event_id] = fields_of(row, parcel.feed)
    return stored, sorted(reject for parcel in parcels for reject in rejects_in(parcel))


@given(tables())
def test_columns_and_rows_accept_reject_and_encode_alike(table: tuple[Feed, bytes]) -> None:
    feed, body = table
    by_columns = read(feed, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_FEW", 10**9)
        by_rows = read(feed, body)
    assert by_columns.letter is None and by_rows.letter is None
    assert verdicts([by_columns]) == verdicts([by_rows])
    assert by_columns.rows == by_rows.rows


@pytest.mark.parametrize("text", ODD_OBJECTS)
def test_json_is_judged_alike_by_columns_and_by_rows(text: str) -> None:
    feed = FEEDS["article_events"]
    line = f"2019-02-15 03:07:03.662 +0000\ts\tarticle_viewed\tu\t{text}"
    body = "\n".join(["\t".join(feed.header), *[line] * 40]).encode()
    by_columns = read(feed, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_FEW", 10**9)
        assert verdicts([by_columns]) == verdicts([read(feed, body)])


JSON_VALUES: st.SearchStrategy[object] = (
    st.none() | st.text(max_size=4) | st.integers() | st.booleans() | st.just([])
)


@st.composite
def json_events(draw: st.DrawFn) -> list[bytes]:
    bodies = []
    for row in draw(st.lists(values(USER_EVENTS), min_size=1, max_size=6)):
        event: dict[str, object] = dict(zip(USER_EVENTS.header, row))
        event |= draw(st.dictionaries(st.sampled_from([*USER_EVENTS.header, "x"]), JSON_VALUES))
        bodies.append(json.dumps(event, ensure_ascii=draw(st.booleans())).encode())
    return bodies + draw(st.lists(st.sampled_from([b"{", b"[]", b"1", b"\xff", b'{"id": NaN}'])))


@given(json_events())
def test_single_events_read_together_are_what_they_are_alone(bodies: list[bytes]) -> None:
    good = b'{"id": "z", "event_type": "User Created", "received_at": "2020-12-06 10:00:00"}'
    deliveries = [
        Delivery(1, tag, JSON, body, {}, "user_events", str(uuid.UUID(int=tag)))
        for tag, body in enumerate([*bodies, *[good] * 8])
    ]
    together = unpack_all(deliveries, FEEDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_FEW", 10**9)
        alone = unpack_all(deliveries, FEEDS)
    assert len(together) < len(alone)
    assert len(alone) == len(deliveries)
    assert sorted(d.tag for p in together for d in p.deliveries) == list(range(len(deliveries)))
    one, other = verdicts(together), verdicts(alone)
    assert one[1] == other[1] and one[0].keys() == other[0].keys()
    for event_id, row in one[0].items():
        assert without_import(row) == without_import(other[0][event_id])


ODD_VALUES: list[object] = ["a", "\x00", "\\", 1, None, ["a"], {}]


@pytest.mark.parametrize(
    "attributes", [*ODD_OBJECTS, "", None, 7, *({"id": value} for value in ODD_VALUES)]
)
def test_attributes_of_single_events_are_judged_alike(attributes: object) -> None:
    event = {"TIMESTAMP": "2019-02-15 03:07:03.662 +0000", "EVENT_NAME": "article_viewed"}
    body = json.dumps(event | {"ATTRIBUTES": attributes}).encode()
    good = json.dumps(event | {"ATTRIBUTES": {"id": "é"}}).encode()
    deliveries = [
        Delivery(1, tag, JSON, text, {}, "article_events", str(uuid.UUID(int=tag)))
        for tag, text in enumerate([body, *[good] * 8])
    ]
    together = unpack_all(deliveries, FEEDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_FEW", 10**9)
        alone = unpack_all(deliveries, FEEDS)
    assert len(together) < len(alone) == 9
    one, other = verdicts(together), verdicts(alone)
    assert one[1] == other[1] and one[0].keys() == other[0].keys()
    for event_id, row in one[0].items():
        assert without_import(row) == without_import(other[0][event_id])


def without_import(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row without imported_at, which is now."""
    place = COLUMNS.index("imported_at")
    return row[:place] + row[place + 1 :]


def test_most_rows_of_a_file_go_by_columns() -> None:
    header = ",".join(USER_EVENTS.header)
    line = 'z,User Created,"Zeus, ""the"" god",e,t,o,p,2020-12-06 10:00:00.5'
    plain = "z,User Created,Zeus,e,t,o,p,2020-12-06 10:00:00"
    parcel = read(USER_EVENTS, "\n".join([header, *[line, plain] * 50]).encode())
    assert sum(map(len, parcel.blocks)) == 100
    assert len(parcel.blocks) == 2, "a plain one and a quoted one, and none row by row"


def test_a_block_can_be_halved_down_to_its_rows() -> None:
    lines = [f"user-{n},User Created,,,,,,2020-12-06 10:00:{n:02}" for n in range(37)]
    parcel = read(USER_EVENTS, "\n".join([",".join(USER_EVENTS.header), *lines]).encode())
    (block,) = parcel.blocks
    pieces = [block]
    while any(len(piece) > 1 for piece in pieces):
        pieces = [half for p in pieces for half in (p.halves() if len(p) > 1 else (p,))]
    assert b"".join(piece.data for piece in pieces) == block.data
    rows = [piece.row(0) for piece in pieces]
    assert [row.payload for row in rows] == [line.encode() for line in lines]
    assert [row.line for row in rows] == list(range(11, 48))
    assert rows_in(parcel).keys() == {row.event_id.bytes for row in rows}
