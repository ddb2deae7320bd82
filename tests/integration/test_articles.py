"""``run.py``: the lake's files, the two tables, and the picture, on real services."""

import gzip
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import Json, execute_values

from etls.catalogue import ETLS
from etls.runner import run_etl, stale_dates
from tests import oracle
from tests.builders import SAMPLES
from tests.integration.conftest import Consumer, Database, files_in, run
from warehouse.postgres import ETL, Connection, connect

LAKE = SAMPLES / "lake"
HEADER = "\ufeffTIMESTAMP\tMD5(SESSION_ID)\tEVENT_NAME\tMD5(USER_ID)\tATTRIBUTES\n"
PERFORMANCE = [ETLS["article_performance"], ETLS["user_performance"]]


@pytest.fixture(name="lake")
def _lake(tmp_path: Path) -> Path:
    """A copy of the sample."""
    return Path(shutil.copytree(LAKE, tmp_path / "lake"))


def run_lake(
    lake: Path | str, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    reports = ("--reports", str(folder / "reports"))
    return run("run", "--source", str(lake), *reports, *arguments, **environment)


def tables(database: Database) -> tuple[list[Any], list[Any]]:
    """Both, without naming a schema."""
    return (
        database.rows('TABLE article_performance ORDER BY article_id COLLATE "C", date'),
        database.rows(
            "SELECT user_id, date, sessions, round(avg_session_seconds::numeric, 6)::float,"
            ' displays, clicks, ctr FROM user_performance ORDER BY user_id COLLATE "C", date'
        ),
    )


def expected(*files: Path) -> tuple[list[Any], list[Any]]:
    events = [
        event for path in files for event in oracle.article_events(path.read_text("utf-8-sig"))
    ]
    return oracle.article_performance(events), oracle.user_performance(events)


def test_the_sample_equals_the_oracle_and_a_second_run_changes_nothing(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    done = run_lake(LAKE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 files, 0 in already" in done.stdout
    assert "2019-02-16" in done.stdout.splitlines()[-2]
    assert tables(database) == expected(*sorted(LAKE.iterdir()))
    before = tables(database), database.rows("SELECT xmin FROM reports.article_performance")
    pictures = [path.read_bytes() for path in sorted((tmp_path / "reports").iterdir())]
    assert "14 rejected, 1,586 already there" in run_lake(LAKE, tmp_path, "--again").stdout
    again = run_lake(LAKE, tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 files, 2 in already" in again.stdout
    assert (
        tables(database),
        database.rows("SELECT xmin FROM reports.article_performance"),
    ) == before
    assert pictures == [path.read_bytes() for path in sorted((tmp_path / "reports").iterdir())]
    assert pictures[0].startswith(b"\x89PNG") and b"<svg" in pictures[1]


def test_a_late_row_in_an_early_file_mends_the_sums_of_later_days(
    database: Database, consumer: Consumer, lake: Path, tmp_path: Path
) -> None:
    assert consumer
    first, second = sorted(lake.iterdir())
    assert run_lake(lake, tmp_path, "--from", "2019-02-16").returncode == 0
    assert tables(database) == expected(second)
    assert run_lake(lake, tmp_path).returncode == 0
    with first.open("a", encoding="utf-8") as file:
        late = '2019-02-15 23:59:59.000 +0000\ts\tarticle_viewed\tu\t{"id": "a00009"}\n'
        file.write(3 * late + late.replace("02-15", "02-16"))  # and one of the day after
    done = run_lake(lake, tmp_path, "--to", "2019-02-15")
    assert done.returncode == 0, done.stderr
    assert "1 files, 0 in already" in done.stdout
    assert tables(database) == expected(first, second)


def test_an_interrupted_run_goes_on_where_it_was(
    database: Database, consumer: Consumer, lake: Path, tmp_path: Path
) -> None:
    assert consumer
    first, second = sorted(lake.iterdir())
    rows = first.read_text("utf-8-sig").splitlines(keepends=True)[1:]
    assert run_lake(lake, tmp_path, "--to", "2019-02-15").returncode == 0
    second.write_text(HEADER + "".join(rows).replace("02-15", "02-16") * 5, "utf-8")
    packed = lake / "2019-02-17.tsv.gz"
    packed.write_bytes(gzip.compress((HEADER + "".join(rows).replace("02-15", "02-17")).encode()))
    died = run(
        *("tests.dying", "between-publish-and-confirm-of-the-lake", "--source", str(lake)),
        CHUNK_ROWS="100",  # so five messages are a part of the second file
        WINDOW_MESSAGES="1",
    )
    assert died.returncode == -signal.SIGKILL
    done = run_lake(lake, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 files, 1 in already" in done.stdout
    lines = [
        line for path in (first, second) for line in path.read_text("utf-8-sig").splitlines()[1:]
    ]
    good = sum(not line.endswith("cut off") for line in lines)
    good += sum(not line.strip().endswith("cut off") for line in rows)
    assert database.count("raw.article_events") == good


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_lake_in_s3_is_a_lake(
    database: Database, consumer: Consumer, store: dict[str, str], tmp_path: Path, anonymous: bool
) -> None:
    assert consumer
    files = files_in(store)
    files.mkdirs("lakes", exist_ok=True)
    for path in LAKE.iterdir():
        files.put(str(path), f"lakes/articles/{path.name}")
    environment = dict(store)
    if anonymous:
        for key in ("lakes", *files.ls("lakes/articles")):
            files.chmod(key, "public-read")
        environment = {k: v for k, v in store.items() if "KEY" not in k} | {"S3_ANONYMOUS": "true"}
    done = run_lake("s3://lakes/articles/", tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert tables(database) == expected(*sorted(LAKE.iterdir()))
    again = run_lake("s3://lakes/articles/", tmp_path, **environment)
    assert "2 files, 2 in already" in again.stdout, again.stderr
    missing = run_lake("s3://lakes/nothing/", tmp_path, **environment)
    assert missing.returncode == 2
    assert missing.stderr == "error: s3://lakes/nothing/: no such folder\n"


def test_a_store_that_does_not_answer_is_an_error_in_one_line(
    store: dict[str, str], tmp_path: Path
) -> None:
    away = store | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = run_lake("s3://lakes/articles/", tmp_path, **away)
    assert done.returncode == 2
    assert done.stderr.startswith("error: s3://lakes/articles/: Could not connect to the endpoint")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source", "nowhere"), "error: nowhere: no such folder"),
        (("--from", "2020-01-01"), "there is no file YYYY-MM-DD.tsv from 2020-01-01 to the last"),
        (("--from", "soon"), "'soon' is not a date"),
        (("--reports", "/proc/none"), "error: /proc/none: "),
    ],
)
def test_a_mistake_is_told_in_the_last_line(
    database: Database, tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    database.rows(
        "INSERT INTO reports.article_performance VALUES ('a', '2019-02-15', 'A', 'x', 1, 1, 1)"
    )
    picture = ("--only-picture",) if arguments[0] == "--reports" else ()
    done = run("run", "--source", str(LAKE), "--reports", str(tmp_path), *arguments, *picture)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_a_broken_file_is_named_at_the_end_and_keeps_no_other_back(
    database: Database, consumer: Consumer, lake: Path, tmp_path: Path
) -> None:
    assert consumer
    first, second = sorted(lake.iterdir())
    (lake / "2019-02-14.tsv").write_bytes(b"")
    (lake / "2019-02-17.tsv").write_text("a\tb\n1\t2\n")
    done = run_lake(lake, tmp_path)
    assert done.returncode == 2
    assert tables(database) == expected(first, second)
    one, other = done.stderr.splitlines()[-2:]
    assert one == f"error: {lake}/2019-02-14.tsv: the file is empty, not even a header"
    assert other.startswith(f"error: {lake}/2019-02-17.tsv, line 1: ")
    again = run_lake(lake, tmp_path)
    assert again.returncode == 2 and "4 files, 2 in already" in again.stdout


def test_a_lake_whose_days_have_been_pruned_is_left_as_it_is(
    database: Database, consumer: Consumer, tmp_path: Path
) -> None:
    assert consumer
    assert run_lake(LAKE, tmp_path).returncode == 0
    before = tables(database)
    assert run("etls", "prune", "--before", "2019-02-16", "--yes").returncode == 0
    done = run_lake(LAKE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert tables(database) == before


def test_whoever_may_read_reads_both_tables(database: Database) -> None:
    with connect(os.environ["DATABASE_URL"], "tests", "warehouse_read") as connection:
        assert tables(Database(connection)) == ([], [])
    assert database


# Few users, articles and instants, so that they meet.
EVENTS = st.lists(
    st.builds(
        lambda minutes, session, name, user, attributes: (
            datetime(2019, 2, 13, tzinfo=timezone.utc) + timedelta(minutes=minutes),
            session,
            name,
            user,
            attributes,
        ),
        minutes=st.sampled_from([0, 1, 1438, 1440, 1441, 2000, 2879, 2880, 4321]),
        session=st.sampled_from(["", "s", "t"]),
        name=st.sampled_from([*sorted(oracle.DISPLAYS), "article_viewed", "article_closed"]),
        user=st.sampled_from(["", "u", "v"]),
        attributes=st.fixed_dictionaries(
            {},
            optional={
                "id": st.sampled_from(["1", "2", ""]),
                "ID": st.sampled_from(["1", "3"]),
                "title": st.sampled_from(["x", "y", ""]),
                "Title": st.sampled_from(["X", "Y"]),
                "category": st.sampled_from(["c", "d"]),
            },
        ),
    ),
    min_size=1,
    max_size=30,
)
DATES = [date(2019, 2, 13) + timedelta(days=n) for n in range(4)]


@pytest.fixture(scope="module", name="etl")
def _etl() -> Iterator[Connection]:
    with connect(os.environ["DATABASE_URL"], "tests", ETL) as connection:
        yield connection


@settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(
        st.tuples(EVENTS, st.lists(st.sampled_from(DATES), max_size=4, unique=True), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_the_tables_depend_on_which_dates_ran_and_not_on_how(
    session_database: Database, etl: Connection, batches: list[Any]
) -> None:
    session_database.empty()
    events: list[oracle.ArticleEvent] = []
    for batch, dates, full in batches:
        store_events(session_database, batch, events)
        for performance in PERFORMANCE:
            for day in dates:  # in any order, and late events come after
                list(run_etl(etl, performance, [day], full=full))
    for performance in PERFORMANCE:
        list(run_etl(etl, performance, stale_dates(etl, performance)))
    assert tables(session_database) == (
        oracle.article_performance(events),
        oracle.user_performance(events),
    )


def store_events(
    database: Database, batch: list[tuple[Any, ...]], events: list[oracle.ArticleEvent]
) -> None:
    with database.connection.cursor() as cursor:
        rows = []
        for at, session, name, user, attributes in batch:
            order = len(events)
            events.append(oracle.ArticleEvent(at, session, name, user, attributes, order))
            ids = f"00000000-0000-8000-8000-{order:012}"
            rows.append((ids, at, session or None, name, user or None, Json(attributes), order))
        execute_values(
            cursor,
            "INSERT INTO raw.article_events (event_id, event_time, session_id, event_name, user_id,"
            " attributes, imported_at, line) VALUES %s",
            rows,
            template="(%s, %s, %s, %s, %s, %s, '2020-01-01', %s)",
        )
