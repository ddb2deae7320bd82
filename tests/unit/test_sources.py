"""Opening what a person names."""

import gzip
import io
import json
import os
import sys
from pathlib import Path

import pytest

from feeds import FEEDS
from producer import sources
from producer.sources import Chunk, Source, check_readable, open_source
from tests.builders import USER_EVENTS, UserEvent, write_csv
from warehouse.errors import SourceError
from warehouse.message import CSV, NDJSON


def lines_of(source: Source) -> list[tuple[int, bytes]]:
    """Every line and its number."""
    return [
        (number, line)
        for chunk in source.chunks
        for number, line in enumerate(chunk.lines, chunk.first_line)
    ]


def records(path: Path | str, feed: str = "user_events") -> list[tuple[int, bytes]]:
    with open_source(str(path), FEEDS[feed]) as source:
        return lines_of(source)


def test_a_csv_file_starts_after_its_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    with open_source(str(path), USER_EVENTS) as source:
        assert source.content_type == CSV and source.columns == USER_EVENTS.header
        assert [line for line, _ in lines_of(source)] == [2]


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
        assert [line for line, _ in lines_of(source)] == [1]


def test_json_lines_and_a_json_array_hold_the_same_objects(tmp_path: Path) -> None:
    rows = [{"id": "z", "username": "Zoë"}, {"id": "h", "username": None}]
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    array.write_text(json.dumps(rows))
    for path in (lines, array):
        with open_source(str(path), USER_EVENTS) as source:
            assert source.content_type == NDJSON
            assert [json.loads(raw) for _, raw in lines_of(source)] == rows


def test_standard_input_is_called_minus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "a.csv", UserEvent())
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        with open_source("-", USER_EVENTS) as source:
            assert source.name == "standard input" and len(lines_of(source)) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty, not even a header"),
        (b"id,event_type\n", "line 1: column 'username' is missing"),
        (gzip.compress(b"id" * 9000)[:12], "the compressed file is cut short at the start"),
        (gzip.compress(b"id" * 9000)[:40], "the compressed file is cut short in line 1"),
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


@pytest.mark.parametrize("size", [2**20 + 1, 3 * 2**20])
@pytest.mark.parametrize("feed", ["user_events", "article_events"])
def test_a_line_too_long_for_a_message_is_cut_and_said(
    size: int, feed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 2**20)
    header = FEEDS[feed].dialect.delimiter.join(FEEDS[feed].header)
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nbefore\n{'x' * size}\nafter\n{'y' * size}")
    with open_source(str(path), FEEDS[feed]) as source:
        chunks = [(c.first_line, c.lines[0][:6], c.malformed) for c in source.chunks]
    said = f"{size:,} bytes long; lines may have 1 MiB"
    assert chunks == [
        (2, b"before", None),
        (3, b"xxxxxx", said),
        (4, b"after", None),
        (5, b"yyyyyy", said),
    ]


@pytest.mark.parametrize("change", [1000, -1000])
def test_a_file_that_changes_while_it_is_read_is_said(tmp_path: Path, change: int) -> None:
    path = write_csv(tmp_path / "a.csv", *[UserEvent(username="x" * 1000)] * 2000)
    found: list[Chunk] = []
    with pytest.raises(SourceError, match="changed while it was read.*Read so far: after line"):
        with open_source(str(path), USER_EVENTS) as source:
            for chunk in source.chunks:
                found.append(chunk)
                os.truncate(path, path.stat().st_size + change)
    assert all(
        line.endswith(b"000") for chunk in found for line in chunk.lines if b"\0" not in line
    )


def test_what_cannot_be_read_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere.csv: no such file"):
        check_readable(["-", str(tmp_path / "nowhere.csv")])
    with pytest.raises(SourceError, match="is a folder; name its files"):
        check_readable([str(tmp_path)])


def test_other_refusals_of_the_system_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> io.BufferedReader:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="secret.csv: Permission denied"):
        check_readable(["secret.csv"])
