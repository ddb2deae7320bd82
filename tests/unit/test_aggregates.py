"""The aggregate of files, by the embedded engine: against an oracle, and of files with errors."""

import csv
import gzip
import io
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import IO, cast

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etls.aggregates.catalogue import AGGREGATES
from etls.aggregates.contract import bad_rows
from etls.aggregates.duckdb_engine import DuckDB
from etls.aggregates.engines import outgrows
from etls.aggregates.progress import Progress
from etls.aggregates.sources import open_sources
from etls.aggregates.target import Target
from feeds import FEEDS
from tests import oracle
from tests.builders import SAMPLES
from warehouse.errors import SourceError, UsageError, WarehouseError

ACTIVITY = ",".join(FEEDS["activity"].header)
TRANSACTIONS = "|".join(FEEDS["transactions"].header)
Result = dict[str, tuple[str, int]]


class Shelf:
    """In the place of a table."""

    text = ""

    def replace(self, rows: IO[bytes]) -> None:
        self.text = rows.read().decode()


def aggregate(*named: object, memory: str = "200MB") -> tuple[Result, int, int]:
    """The result, how many rows were read, how many of them were bad, as both sides count them."""
    sources = open_sources([str(name) for name in named], None)
    with TemporaryDirectory() as folder:
        shelf = Shelf()
        target = cast(Target, shelf)
        with closing(DuckDB(sources, target, memory, Path(folder), Progress())) as engine:
            n_entities = engine.run()
            explained = len(list(bad_rows(sources))) + len(list(engine.bad_parquet_rows()))
            assert explained == engine.n_bad
            engine.publish()
        header, *rows = csv.reader(io.StringIO(shelf.text, newline=""))
        assert tuple(header) == sources.aggregate.columns and len(rows) == n_entities
        return {user: (top, int(days)) for user, top, days in rows}, engine.n_rows, engine.n_bad


def write(path: Path, *lines: str, header: str = ACTIVITY) -> Path:
    path.write_text("\n".join([header, *lines]), encoding="utf-8", newline="")
    return path


def user(number: int) -> str:
    return f"{number:024x}"


def active(day: str, total: int | str = 1, who: int = 1, where: int = 1) -> str:
    return f"{day},{user(who)},{user(where)},{total}"


def test_days_that_follow_each_other_are_a_streak(tmp_path: Path) -> None:
    days = ("2011-08-10", "2011-08-11", "2011-08-14", "2011-08-15", "2011-08-16", "2011-08-15")
    path = write(tmp_path / "a.csv", *(active(day, 0) for day in days))
    assert aggregate(path) == ({user(1): (user(1), 3)}, 6, 0)


def test_a_streak_goes_on_from_one_file_and_one_year_to_the_next(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", active("2020-01-01"), active("2020-02-29"), active("2020-03-01"))
    write(tmp_path / "a.csv", active("2019-12-30"), active("2019-12-31"))
    assert aggregate(tmp_path)[0] == {user(1): (user(1), 3)}


def test_of_two_with_the_same_total_the_first_counts(tmp_path: Path) -> None:
    lines = ("1|007|2011-08-10|b|3", "2|007|2011-08-11|B|3", "3|007|2011-08-11|ä|2")
    path = write(tmp_path / "t.csv", *lines, "4|007|2011-08-11|ä|1", header=TRANSACTIONS)
    assert aggregate(path) == ({"007": ("B", 2)}, 4, 0)


def test_totals_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    most = 2**63 - 1
    lines = [active("2020-01-01", most, where=2), active("2020-01-02", most, where=2)]
    lines += [active("2020-01-01", most), active("2020-01-02", most - 1)]
    assert aggregate(write(tmp_path / "a.csv", *lines))[0] == {user(1): (user(2), 2)}


@pytest.mark.parametrize(
    "form", ["csv", "reordered", "gz", "crlf", "bom", "parquet", "raw parquet"]
)
def test_the_samples_equal_the_oracle_however_they_are_written(tmp_path: Path, form: str) -> None:
    path = SAMPLES / "activity.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = tmp_path / ("a.parquet" if "parquet" in form else "a.csv")
    if form == "gz":
        chosen = tmp_path / "a.csv.gz"
        chosen.write_bytes(gzip.compress(path.read_bytes()))
    elif "parquet" in form:
        types = "" if form == "parquet" else ", active_date::DATE AS active_date"
        duckdb.sql(
            f"COPY (SELECT * EXCLUDE (active_date){types or ', active_date'}"
            f" FROM read_csv('{path}', all_varchar = {form == 'parquet'}))"
            f" TO '{chosen}' (FORMAT parquet)"
        )
    elif form == "reordered":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(reversed(rows[0])), delimiter="|", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        chosen.write_text(text.getvalue(), encoding="utf-8")
    else:
        content = path.read_bytes()
        content = content.replace(b"\n", b"\r\n") if form == "crlf" else content
        chosen.write_bytes((b"\xef\xbb\xbf" if form == "bom" else b"") + content)
    expected = oracle.top_and_streak(
        (
            row["user_id"],
            row["workspace_id"],
            int(row["total_activity"]),
            date.fromisoformat(row["active_date"]),
        )
        for row in rows
    )
    assert aggregate(chosen) == (expected, len(rows), 0)


_FACT = st.tuples(
    st.sampled_from(["7", "07", "a|b", 'say "x"', "ä"]),
    st.sampled_from(["x", "X", "ä", "x ", "two\nlines"]),
    st.integers(-3, 3),
    st.integers(0, 12).map(lambda n: date(2020, 2, 22) + timedelta(days=n)),
)


@given(facts=st.lists(_FACT, min_size=1, max_size=60))
def test_random_rows_equal_the_oracle_ties_included(
    facts: list[tuple[str, str, int, date]],
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="|", lineterminator="\n")
    for number, (entity, category, amount, day) in enumerate(facts):
        writer.writerow((number, entity, day, category, amount))
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "t.csv", text.getvalue(), header=TRANSACTIONS)
        assert aggregate(path) == (oracle.top_and_streak(facts), len(facts), 0)


_NASTY = st.sampled_from(
    ["", " ", "2020-02-30", "2020-2-1", "0000-01-01", "0001-01-01", "20200101", "10000-01-01"]
    + ["2020-01-01 ", "+5", "-0", "007", "1e3", "1.0", "1_0", str(2**63), str(-(2**63)), "٣"]
    + [user(1), user(1).upper(), user(1) + "0", "g" * 24, "a\x00b", "\u2028", "x\ny"]
) | st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=4)
_FIELD = st.tuples(
    st.sampled_from(["2020-01-01", "9999-12-31"]) | _NASTY,
    st.just(user(1)) | _NASTY,
    st.just(user(2)) | _NASTY,
    st.sampled_from(["1", "-1"]) | _NASTY,
)


@given(rows=st.lists(_FIELD, min_size=1, max_size=12), is_activity=st.booleans())
def test_the_engine_sets_aside_the_rows_that_the_model_rejects(
    rows: list[tuple[str, str, str, str]], is_activity: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="," if is_activity else "|", lineterminator="\n")
    for day, one, other, number in rows:
        writer.writerow((day, one, other, number) if is_activity else (1, one, day, other, number))
    with TemporaryDirectory() as folder:
        header = ACTIVITY if is_activity else TRANSACTIONS
        path = write(Path(folder) / "f.csv", text.getvalue(), header=header)
        _, n_rows, n_bad = aggregate(path)  # compares the two counts
    assert n_bad <= n_rows <= len(rows) * 3


def test_bad_rows_are_named_and_their_neighbours_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        active("2020-01-01"),
        active("2020-02-30"),
        "2020-01-02,short",
        active("2020-01-02", "many"),
        active("2020-01-02"),
    )
    assert aggregate(path) == ({user(1): (user(1), 2)}, 5, 3)
    said = [str(row) for row in bad_rows(open_sources([str(path)], None))]
    assert said == [
        f"{path}, line 3: active_date: day is out of range for month",
        f"{path}, line 4: 2 fields where 4 are expected",
        f"{path}, line 5: total_activity: not a whole number",
    ]


def test_a_carriage_return_outside_quotes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", active("2020-01-01"), active("2020-01-0\r2"))
    with pytest.raises(
        SourceError, match="a.csv, line 3: a carriage return outside quotes; DuckDB"
    ):
        aggregate(path)


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (["nothing.csv"], "nothing.csv: No such file or directory"),
        (["*.nothing"], "no file matches"),
        (["empty"], "file is in there"),
        (["wrong.csv"], "line 1: this is not the header 'active_date,user_id"),
        (["a.csv", "t.csv"], "t.csv: holds transactions, and .*a.csv activity"),
        (["not.csv.gz"], "not.csv.gz: Not a gzipped file"),
        (["not.parquet"], "not.parquet: "),
    ],
)
def test_a_wrong_source_is_told_before_anything_is_read(
    tmp_path: Path, named: list[str], complaint: str
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "a.csv", active("2020-01-01"))
    write(tmp_path / "t.csv", header=TRANSACTIONS)
    write(tmp_path / "wrong.csv", header="a,b")
    write(tmp_path / "not.csv.gz")
    write(tmp_path / "not.parquet")
    with pytest.raises(SourceError, match=complaint):
        open_sources([str(tmp_path / name) for name in named], None)


def test_a_feed_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", header=TRANSACTIONS)
    assert open_sources([str(path)], "transactions").aggregate is AGGREGATES["customers"]
    with pytest.raises(SourceError, match="this is not the header 'active_date"):
        open_sources([str(path)], "activity")
    with pytest.raises(UsageError, match="no aggregate is made of feed 'user_events'"):
        open_sources([str(path)], "user_events")


def test_what_the_disk_has_no_room_for_outgrows_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write(tmp_path / "a.csv", *[active("2020-01-01")] * 100)
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    sources = open_sources([str(plain), str(packed)], None)
    assert not outgrows(sources, tmp_path)
    room = plain.stat().st_size + 5 * packed.stat().st_size
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=room))
    assert not outgrows(sources, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=room - 1))
    assert outgrows(sources, tmp_path)


def test_too_little_memory_is_told_with_what_to_do(tmp_path: Path) -> None:
    lines = [active("2020-01-01", who=n, where=n) for n in range(100_000)]
    with pytest.raises(WarehouseError, match="--memory"):
        aggregate(write(tmp_path / "a.csv", *lines), memory="1MB")
