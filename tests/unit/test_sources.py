"""Opening what a person names."""

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from feeds import FEEDS
from producer import sources
from producer.sources import check_readable, open_source
from tests.builders import USER_EVENTS, UserEvent, write_csv
from warehouse.errors import SourceError
from warehouse.message import CSV, NDJSON


def records(path: Path | str, feed: str = "user_events") -> list[tuple[int, bytes]]:
    with open_source(str(path), FEEDS[feed]) as source:
        return [(record.line, record.raw) for record in source.records]


def test_a_csv_file_starts_after_its_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    with open_source(str(path), USER_EVENTS) as source:
        assert source.content_type == CSV and source.columns == USER_EVENTS.header
        assert [record.line for record in source.records] == [2]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(records(path)) == 1


def test_compressed_files_are_read_as_they_are(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "a.csv", UserEvent(), UserEvent(id="hera"))
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert records(packed) == records(plain)


def test_a_file_without_a_header_starts_at_line_1(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("1, '18-45', 'TR'\n")
    with open_source(str(path), FEEDS["web_users"]) as source:
        assert source.header == b"user_id,age,country"
        assert [record.line for record in source.records] == [1]


def test_json_lines_and_a_json_array_hold_the_same_objects(tmp_path: Path) -> None:
    rows = [{"id": "z", "username": "Zoë"}, {"id": "h", "username": None}]
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    array.write_text(json.dumps(rows))
    for path in (lines, array):
        with open_source(str(path), USER_EVENTS) as source:
            assert source.content_type == NDJSON
            assert [json.loads(record.raw) for record in source.records] == rows


def test_standard_input_is_called_minus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        with open_source("-", USER_EVENTS) as source:
            assert source.name == "standard input" and len(list(source.records)) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty, not even a header"),
        (b"id,event_type\n", "line 1: column 'username' is missing"),
        (gzip.compress(b"id" * 9000)[:12], "the compressed file is cut short at the start"),
        (gzip.compress(b"id" * 9000)[:40], "the compressed file is cut short after line 0"),
    ],
)
def test_a_file_that_is_not_the_feeds_is_named(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"{path}.*({complaint})"):
        records(path)


def test_a_compressed_file_cut_short_names_the_last_line_read(tmp_path: Path) -> None:
    plain = write_csv(tmp_path / "a.csv", *(UserEvent(id=f"{n * 7919}") for n in range(3000)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(plain.read_bytes())[:-2000])
    with pytest.raises(SourceError, match=r"the compressed file is cut short after line \d+"):
        records(path)


def test_a_broken_array_names_the_last_good_element(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"id": "a"}, {"id": ')
    with pytest.raises(SourceError, match="after element 1: broken JSON"):
        records(path)


def test_a_line_too_long_for_a_message_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_RECORD_BYTES", 2**20)
    path = write_csv(tmp_path / "a.csv", UserEvent(), UserEvent(username="x" * 2**20))
    with pytest.raises(SourceError, match="line 3: longer than 1 MiB"):
        records(path)


def test_what_cannot_be_read_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere.csv: no such file"):
        check_readable(["-", str(tmp_path / "nowhere.csv")])
    with pytest.raises(SourceError, match="is a folder; name its files"):
        check_readable([str(tmp_path)])


def test_other_refusals_of_the_system_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> io.BufferedReader:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="secret.csv: Permission denied"):
        check_readable(["secret.csv"])
