"""The life of Zeus, from a file to the tables: every row as the files beside this one say."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.postgres import connect

HERE = Path(__file__).parent


def command(*arguments: str) -> str:
    """Run one of our programs as make does; what it says."""
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def table(query: str) -> str:
    """The rows of a query, as CSV with a header."""
    with connect(os.environ["DATABASE_URL"], "e2e") as connection, connection.cursor() as cursor:
        out = io.StringIO()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", out)
        return out.getvalue()


def expected(name: str) -> str:
    """The rows of a file beside this one."""
    return (HERE / name).read_text("utf-8")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    assert table("SELECT count(*) FROM raw.user_events") == "count\n0\n", "not a clean database"
    said = command("producer", str(HERE / "zeus.csv"))
    assert "5 rows read: 4 stored, 1 rejected, 0 already there" in said


def test_the_doctor_finds_nothing_wrong() -> None:
    assert "checks, all well" in command("ops", "doctor")


def test_the_raw_table_holds_the_rows_of_the_file() -> None:
    rows = table(
        "SELECT id, event_type, username, user_email, user_type, organization_name, plan_name,"
        " to_char(received_at, 'YYYY-MM-DD HH24:MI:SS.US') AS received_at"
        " FROM raw.user_events ORDER BY line"
    )
    source = expected("zeus.csv").splitlines(keepends=True)
    assert rows == "".join(source[:-1])


def test_the_broken_row_is_kept_with_its_reason() -> None:
    rows = table(
        "SELECT line, column_name, error FROM raw.rejected_events WHERE feed = 'user_events'"
    )
    assert rows.splitlines()[1] == (
        '6,event_type,"event_type: Input should be'
        " 'User Created', 'User Updated' or 'User Deleted'\""
    )


def test_importing_again_adds_nothing() -> None:
    said = command("producer", str(HERE / "zeus.csv"))
    assert "0 stored, 1 rejected, 4 already there" in said


@pytest.mark.parametrize("days", [range(5, 12), reversed(range(5, 12))], ids=["forth", "back"])
def test_the_tables_are_as_expected_in_any_order(days: range) -> None:
    for day in days:
        for etl in ("users_dim", "user_events_daily"):
            command("etls", "run", etl, "--date", f"2020-12-{day:02}")
    dimension = table(
        "SELECT username, user_email, valid_from, valid_to, is_valid, is_deleted"
        " FROM crm.users_dim ORDER BY valid_from"
    )
    report = table("SELECT * FROM reports.user_events_daily ORDER BY event_date")
    assert dimension == expected("users_dim.csv")
    assert report == expected("user_events_daily.csv")
