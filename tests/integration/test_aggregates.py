"""``main.py`` and the aggregates of streamed rows, on a real PostgreSQL."""

import csv
import gzip
import os
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etls.aggregates.catalogue import AGGREGATES
from etls.aggregates.streamed import refresh
from etls.catalogue import ETLS
from tests import oracle
from tests.builders import SAMPLES
from tests.integration.conftest import Database, files_in, run
from warehouse.errors import UsageError
from warehouse.postgres import ETL, Connection, connect

ACTIVITY, TRANSACTIONS = SAMPLES / "activity.csv", SAMPLES / "transaction.csv"
NASTY = 'a "b"; DROP SCHEMA raw; --'


@pytest.fixture(name="tables")
def _tables(database: Database) -> Iterator[Database]:
    """A database in which the tables of these tests are gone afterwards."""
    yield database
    database.rows("DROP VIEW IF EXISTS public.looked_at")
    database.rows("DROP TABLE IF EXISTS public.user_activity, public.customers, public.foreign_one")
    database.rows(f"DROP TABLE IF EXISTS public.{quoted(NASTY)}")
    database.rows(f"DROP SCHEMA IF EXISTS {quoted('New one')} CASCADE")


@pytest.fixture(name="etl")
def _etl() -> Iterator[Connection]:
    with connect(os.environ["DATABASE_URL"], "tests", ETL) as connection:
        yield connection


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_the_sample_of_activity_is_as_worked_out_by_hand(tables: Database) -> None:
    done = run(
        "main", "--source", str(ACTIVITY), "--database", "warehouse", "--table", "user_activity"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("user_activity: 372 rows in, 20 users out, 0 rejected, ")
    # c34c… has 132 + 119 + 57 + 181 = 489, next is 5c14… with 158 + 176 + 28 = 362. The days are
    # 11-11, 23, 24, 26, 29, 30, 12-08, 12, 16, 18, 19, 21, 25, 30: three times two in a row.
    assert tables.rows(
        "SELECT * FROM user_activity WHERE user_id = '5bfd0e8d472bcf0009a1014d'"
    ) == [("5bfd0e8d472bcf0009a1014d", "c34c769fe89204e2e8168561", 2)]
    assert tables.rows(
        "SELECT attname::text, atttypid::regtype::text, attnotnull FROM pg_attribute"
        " WHERE attrelid = 'user_activity'::regclass AND attnum > 0 ORDER BY attnum"
    ) == [
        ("user_id", "text", True),
        ("top_workspace", "text", True),
        ("longest_streak", "integer", True),
    ]


def test_the_sample_of_transactions_is_as_worked_out_by_hand(tables: Database) -> None:
    done = run("main", "--source", str(TRANSACTIONS), "--table", "public.customers")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("public.customers: 500 rows in, 30 users out, 0 rejected, ")
    # DETA200 20 + 6 + 7 = 33, PURA500 16 + 4 + 5 + 4 = 29, SUPA103 10 + 3 = 13.
    # In August the days 2, 3, 5, 6, 12, 14, 19, 21, in September 3: twice two in a row.
    assert tables.rows("SELECT * FROM customers WHERE customer_id = '0023938'") == [
        ("0023938", "DETA200", 2)
    ]


def test_names_are_names_and_nothing_else(tables: Database) -> None:
    done = run("main", "--source", str(ACTIVITY), "--table", NASTY)
    assert done.returncode == 0, done.stderr
    assert tables.rows(f"SELECT count(*) FROM public.{quoted(NASTY)}") == [(20,)]
    done = run("main", "--source", str(ACTIVITY), "--table", "New one.x")
    assert done.returncode == 0, done.stderr
    assert tables.rows(f"SELECT count(*) FROM {quoted('New one')}.x") == [(20,)]


def test_a_missing_database_is_made(tables: Database) -> None:
    name = "new 'one'/%"
    tables.rows(f"DROP DATABASE IF EXISTS {quoted(name)}")
    for _ in range(2):
        arguments = ("--source", str(ACTIVITY), "--database", name, "--table", "t")
        done = run("main", *arguments)
        assert done.returncode == 0, done.stderr
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/" + quote(name, safe="")))
    with connect(url, "tests") as connection:
        assert Database(connection).rows("SELECT count(*) FROM t") == [(20,)]
    tables.rows(f"DROP DATABASE {quoted(name)}")


def test_files_in_s3_are_files(tables: Database, store: dict[str, str], tmp_path: Path) -> None:
    files = files_in(store)
    files.mkdirs("activities", exist_ok=True)
    header, *rows = ACTIVITY.read_text("utf-8").splitlines(keepends=True)
    halves = [header + "".join(half) for half in (rows[:200], rows[200:])]
    files.pipe("activities/day/1.csv", halves[0].encode())
    files.pipe("activities/day/2.csv.gz", gzip.compress(halves[1].encode()))
    duckdb.sql(f"COPY (FROM '{ACTIVITY}') TO '{tmp_path}/all.parquet'")
    files.put(str(tmp_path / "all.parquet"), "activities/all.parquet")
    run("main", "--source", str(ACTIVITY), "--table", "user_activity")
    expected = tables.rows("TABLE user_activity ORDER BY 1")
    for source in ("s3://activities/day/", "s3://activities/all.parquet"):
        done = run("main", "--source", source, "--table", "user_activity", **store)
        assert done.returncode == 0, done.stderr
        assert "372 rows in, 20 users out, 0 rejected" in done.stdout
        assert tables.rows("TABLE user_activity ORDER BY 1") == expected
    for missing in ("s3://activities/none.csv", "s3://nowhere/at/all/"):
        done = run("main", "--source", missing, "--table", "user_activity", **store)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {missing}: "), done.stderr
        assert done.stderr.count("\n") == 1


def test_readers_see_the_old_table_or_the_new_one_and_views_stay(tables: Database) -> None:
    run("main", "--source", str(ACTIVITY), "--table", "user_activity")
    tables.rows("CREATE VIEW looked_at AS SELECT * FROM user_activity")
    tables.rows("GRANT SELECT ON user_activity TO warehouse_read")
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        with connect(os.environ["DATABASE_URL"], "tests") as connection:
            while not done.is_set():
                seen.add(Database(connection).count("user_activity"))

    with connect(os.environ["DATABASE_URL"], "tests") as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(
            "SELECT"
        )  # a snapshot from before, which first looks at the table afterwards
        reader = threading.Thread(target=look)
        reader.start()
        for _ in range(3):
            assert (
                run("main", "--source", str(ACTIVITY), "--table", "user_activity").returncode == 0
            )
        done.set()
        reader.join()
        cursor.execute("SELECT count(*) FROM user_activity")
        assert cursor.fetchall() == [(20,)]
    assert seen == {20}
    assert tables.count("looked_at") == 20
    assert tables.rows(
        "SELECT has_table_privilege('warehouse_read', 'user_activity', 'SELECT')"
    ) == [(True,)]


def test_a_table_that_is_not_ours_stays(tables: Database) -> None:
    tables.rows("CREATE TABLE foreign_one AS SELECT 1 AS precious")
    done = run("main", "--source", str(ACTIVITY), "--table", "foreign_one")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --table foreign_one: has the columns precious and is not")
    assert tables.count("foreign_one") == 1


def test_bad_rows_are_reported_written_or_an_error(tables: Database, tmp_path: Path) -> None:
    path, rejects = tmp_path / "a.csv", tmp_path / "bad.csv"
    bad = [f"2020-13-{day:02},{'a' * 24},{'b' * 24},1" for day in range(1, 13)]
    good = f"2020-01-01,{'a' * 24},{'b' * 24},1"
    path.write_text("\n".join(["active_date,user_id,workspace_id,total_activity", good, *bad]))
    arguments = ("main", "--source", str(path), "--table", "user_activity")
    done = run(*arguments, "--rejects", str(rejects))
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    assert last.startswith("user_activity: 13 rows in, 1 users out, 12 rejected, ")
    assert len(said) == 10
    assert said[0] == f"  {path}, line 3: active_date: month must be in 1..12"
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["column"], row["row"]) for row in rows] == [
        (str(line), "active_date", text) for line, text in enumerate(bad, 3)
    ]
    assert "  and 2 more; --rejects FILE writes them all" in run(*arguments).stdout
    tables.rows("DELETE FROM user_activity")
    done = run(*arguments, "--strict")
    assert done.returncode == 1
    assert done.stderr.endswith("error: 12 rows do not keep the contract (--strict)\n")
    assert tables.count("user_activity") == 0, "as it was"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--source, --table"),
        (("--source", "nothing.csv", "--table", "t"), "nothing.csv: No such file or directory"),
        (("--source", str(ACTIVITY), "--table", "a.b.c"), "write TABLE or SCHEMA.TABLE"),
        (("--source", str(ACTIVITY), "--table", "a."), "is no name"),
        (("--source", str(ACTIVITY), "--table", "t" * 64), "is longer than 63 bytes"),
        (("--source", str(ACTIVITY), "--table", "t", "--memory", "much"), "write it like 512MB"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], complaint: str
) -> None:
    done = run("main", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_streamed_rows_give_the_same_as_their_file(tables: Database) -> None:
    with_activity(tables)
    assert run("main", "--source", str(ACTIVITY), "--table", "user_activity").returncode == 0
    done = run("etls", "aggregate", "user_activity")
    assert done.stdout.startswith("user_activity through 2017-12-30: 372 rows read, 20 written")
    rows = "SELECT * FROM {} ORDER BY user_id"
    assert tables.rows(rows.format("reports.user_activity")) == tables.rows(
        rows.format("user_activity")
    )
    assert tables.rows("SELECT etl, import_date::text, status, rows_read FROM meta.etl_runs") == [
        ("user_activity", "2017-12-30", "succeeded", 372)
    ]


def test_streamed_rows_may_be_looked_at_up_to_a_day(tables: Database) -> None:
    with_activity(tables)
    done = run("etls", "aggregate", "user_activity", "--through", "2017-11-11")
    assert done.returncode == 0, done.stderr
    assert tables.rows(
        "SELECT top_workspace, longest_streak FROM reports.user_activity"
        " WHERE user_id = '5bfd0e8d472bcf0009a1014d'"
    ) == [("c34c769fe89204e2e8168561", 1)]


def test_what_was_pruned_is_not_forgotten(tables: Database, etl: Connection) -> None:
    with_activity(tables)
    refresh(etl, AGGREGATES["user_activity"], None)
    tables.rows("INSERT INTO meta.pruned (feed, before) VALUES ('raw.activity', '2017-12-01')")
    with pytest.raises(UsageError, match="the events before 2017-12-01 have been pruned"):
        refresh(etl, AGGREGATES["user_activity"], None)
    assert tables.count("reports.user_activity") == 20
    assert "user_activity" not in ETLS, "or prune would wait for it"


_FACT = st.tuples(
    st.sampled_from(["7", "07", "ä"]),
    st.sampled_from(["x", "X", "ä", "x "]),
    st.integers(-3, 3),
    st.integers(0, 9).map(lambda n: date(2020, 2, 24) + timedelta(days=n)),
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(facts=st.lists(_FACT, min_size=1, max_size=40))
def test_postgresql_gives_what_the_oracle_gives(
    database: Database, etl: Connection, facts: list[tuple[str, str, int, date]]
) -> None:
    database.rows("TRUNCATE raw.transactions")
    for line, (customer, product, units, day) in enumerate(facts):
        database.rows(
            "INSERT INTO raw.transactions (event_id, imported_at, line, transaction_id,"
            " customer_id, transaction_date, product_sold, units_sold)"
            " VALUES (gen_random_uuid(), now(), %s, 't', %s, %s, %s, %s)",
            *(line, customer, day, product, units),
        )
    refresh(etl, AGGREGATES["customers"], None)
    found = database.rows("SELECT * FROM reports.customers")
    assert {user: (top, days) for user, top, days in found} == oracle.top_and_streak(facts)


def with_activity(database: Database) -> None:
    with ACTIVITY.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            database.rows(
                "INSERT INTO raw.activity (event_id, imported_at, line,"
                " active_date, user_id, workspace_id, total_activity)"
                " VALUES (gen_random_uuid(), now(), %s, %s, %s, %s, %s)",
                line,
                *row.values(),
            )
