"""Finding the lake's files, and what the picture shows."""

from datetime import date
from pathlib import Path

import pytest

from lake.files import daily_files
from lake.picture import draw, series
from warehouse.errors import SourceError

MONDAY, TUESDAY = date(2019, 2, 11), date(2019, 2, 12)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("x")
    return folder


def test_daily_files_are_found_by_their_names_and_come_by_date(tmp_path: Path) -> None:
    touch(tmp_path, "2019-02-12.tsv.gz", "2019-02-11.tsv", "2019-02-13.tsv", "2019-02-30.tsv")
    touch(tmp_path, "notes.txt", "2019-02-12.csv", "x2019-02-12.tsv")
    (tmp_path / "2019-02-10.tsv").mkdir()
    found = daily_files(str(tmp_path), None, TUESDAY)
    assert [(file.date, Path(file.path).name) for file in found] == [
        (MONDAY, "2019-02-11.tsv"),
        (TUESDAY, "2019-02-12.tsv.gz"),
    ]


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    touch(tmp_path, "2019-02-12.tsv")
    (before,) = daily_files(str(tmp_path), None, None)
    (tmp_path / "2019-02-12.tsv").write_text("xy")
    (after,) = daily_files(str(tmp_path), None, None)
    assert before.fingerprint != after.fingerprint


def test_a_lake_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file YYYY-MM-DD.tsv in there"):
        daily_files(str(tmp_path), None, None)


def test_rare_categories_are_gathered_and_their_clicks_added_up() -> None:
    days = [
        (MONDAY, "sports", 1000, 100),
        (TUESDAY, "politics", 2000, 100),
        (MONDAY, "chess", 9, 3),
        (TUESDAY, "curling", 4, 1),
        (TUESDAY, None, 500, 5),
    ]
    panels, total = series(days)
    assert [panel.name for panel in panels] == ["politics", "sports", "no category", "2 others"]
    assert panels[-1].counts == {MONDAY: (9, 3), TUESDAY: (4, 1)}
    assert total.displays == 3513 and total.rate == 209 / 3513


def test_there_are_never_more_panels_than_a_page_takes() -> None:
    days = [(MONDAY, f"category {number:02}", 100 - number, 1) for number in range(30)]
    panels, total = series(days)
    assert len(panels) == 12 and panels[-1].name == "19 others"
    assert sum(panel.displays for panel in panels) == total.displays


def test_a_category_that_was_only_clicked_has_no_rate() -> None:
    panels, _ = series([(MONDAY, "a", 10, 1), (MONDAY, "b", 0, 3)])
    assert panels[-1].name == "b" and panels[-1].rate != panels[-1].rate  # not a number


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    days = [(MONDAY, "sports", 10, 1), (TUESDAY, "sports", 12, 4), (TUESDAY, "b", 0, 1)]
    first = [path.read_bytes() for path in draw(days, tmp_path)]
    assert first == [path.read_bytes() for path in draw(days, tmp_path / "new")]
    assert len(first) == 2 and b"sports" not in first[0]


def test_nothing_displayed_draws_nothing(tmp_path: Path) -> None:
    assert draw([], tmp_path) == []
    assert draw([(MONDAY, "a", 0, 4)], tmp_path) == []
