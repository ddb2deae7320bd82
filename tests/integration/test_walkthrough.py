"""The page on adding a feed and an ETL, followed to the letter in a copy of the house."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.integration.conftest import Broker, Database, eventually
from warehouse.postgres import connect

HOUSE = Path(__file__).resolve().parent.parent.parent
PAGE = HOUSE / "docs" / "adding-a-feed-and-an-etl.md"
FILE = re.compile(r"^`([\w./]+)`(, into `(\w+)`)?\n\n```\w+\n(.*?)^```$", re.M | re.S)
ROW = re.compile(r"^\| (\d{4}-\d\d-\d\d) \| (\d+) \| (\d+) \|$", re.M)


@pytest.fixture(name="house")
def _house(tmp_path: Path) -> Path:
    """A copy of the house with what the page adds."""
    for part in ("consumer", "etls", "feeds", "producer", "sql", "warehouse"):
        shutil.copytree(HOUSE / part, tmp_path / part)
    for name, _, variable, text in FILE.findall(PAGE.read_text("utf-8")):
        path = tmp_path / name
        if variable:
            head = f"{variable} = (\n"
            before = path.read_text("utf-8")
            assert head in before
            text = before.replace(head, head + text)
        path.write_text(text, "utf-8")
    return tmp_path


@pytest.fixture(name="url")
def _url(database: Database) -> Iterator[str]:
    """A database of its own."""
    database.rows("CREATE DATABASE walkthrough")
    yield urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/walkthrough"))
    database.rows("DROP DATABASE walkthrough WITH (FORCE)")


def test_the_page_works(house: Path, url: str, broker: Broker) -> None:
    assert broker
    environment = {**os.environ, "DATABASE_URL": url, "READY_FILE": str(house / "ready")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=house, env=environment, capture_output=True, text=True, check=False
        )

    assert run("warehouse.migrate").returncode == 0
    with subprocess.Popen([sys.executable, "-m", "consumer"], cwd=house, env=environment) as served:
        try:
            eventually((house / "ready").exists)
            said = run("producer", "--feed", "logins", "logins.csv").stdout
        finally:
            served.terminate()
    assert "4 stored, 1 rejected" in said
    dates = ("--from", "2020-12-06", "--to", "2020-12-07")
    assert run("etls", "run", "logins_daily", *dates).returncode == 0
    with connect(url, "test") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_date::text, n_logins::text, n_users::text"
            " FROM reports.logins_daily ORDER BY 1"
        )
        assert cursor.fetchall() == ROW.findall(PAGE.read_text("utf-8"))
    pruned = run("etls", "prune", "--before", "2020-12-07", "--yes")
    assert "raw.logins: 3 rows before 2020-12-07 dropped" in pruned.stdout, pruned.stderr
