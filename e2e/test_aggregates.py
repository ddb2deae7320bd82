"""One row a user, by the command that a user types, from the files that are in the image."""

import os
import subprocess
import sys

import pytest

from warehouse.postgres import connect


@pytest.mark.parametrize(
    ("source", "name", "rows"),
    [
        # Worked out by hand in tests/integration/test_aggregates.py.
        ("activity", "user_activity", ("5bfd0e8d472bcf0009a1014d", "c34c769fe89204e2e8168561", 2)),
        ("transaction", "customers", ("0023938", "DETA200", 2)),
    ],
)
def test_a_file_becomes_a_table(source: str, name: str, rows: tuple[str, str, int]) -> None:
    command = ["main.py", "--source", f"data/{source}.csv", "--database", "warehouse"]
    done = subprocess.run(
        [sys.executable, *command, "--table", name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with connect(os.environ["DATABASE_URL"], "e2e") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {name} WHERE {name}::text LIKE %s", (f"({rows[0]},%",))
        assert cursor.fetchall() == [rows]
