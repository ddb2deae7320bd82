"""TLS to both services, with a throw-away certificate authority, from a file to the reports."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from stack.local import LocalStack
from tests.integration.conftest import Database, run
from warehouse.postgres import connect

HEADER = "id,event_type,username,user_email,user_type,organization_name,plan_name,received_at\n"


@pytest.fixture(scope="module", name="stack")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """PostgreSQL, RabbitMQ and a consumer that speak nothing but TLS to each other."""
    folder = tmp_path_factory.mktemp("tls")
    write_certificates(folder)
    stack = LocalStack(f"tls-{os.getpid()}")
    try:
        stack.up(consumers=1, tls=folder)
        yield stack
    finally:
        stack.down(keep_data=False)


def write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(folder / "server.key")
    for part in server.cert_chain_pems:
        part.write_to_path(folder / "server.pem", append=True)


def test_events_go_all_the_way_over_verified_connections(stack: LocalStack, tmp_path: Path) -> None:
    settings = stack.chosen.environment()
    assert settings["RABBITMQ_URL"].startswith("amqps://")
    assert "sslmode=verify-full" in settings["DATABASE_URL"]
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}1,User Created,,,,,,2020-12-06 10:00:00\n")
    done = run("producer", str(path), **settings)
    assert "1 stored" in done.stdout, done.stderr
    done = run("etls", "run", "user_events_daily", "--date", "2020-12-06", **settings)
    assert done.returncode == 0, done.stderr
    assert run("ops", "audit", **settings).returncode == 0
    with connect(settings["DATABASE_URL"], "tests") as connection:
        database = Database(connection)
        assert database.count("reports.user_events_daily") == 1
        assert database.rows(
            "SELECT DISTINCT ssl FROM pg_stat_ssl INNER JOIN pg_stat_activity USING (pid)"
            " WHERE backend_type = 'client backend'"
        ) == [(True,)]


@pytest.mark.parametrize("service", ["DATABASE_URL", "RABBITMQ_URL"])
def test_a_server_of_another_authority_is_not_talked_to(
    stack: LocalStack, tmp_path: Path, service: str
) -> None:
    settings = stack.chosen.environment()
    write_certificates(tmp_path)  # another one
    mine = str(stack.home / "tls" / "ca.pem")
    settings[service] = settings[service].replace(mine, str(tmp_path / "ca.pem"))
    path = tmp_path / "a.csv"
    path.write_text(HEADER)
    program = ("etls", "status") if service == "DATABASE_URL" else ("producer", str(path))
    done = run(*program, **settings, PATIENCE_SECONDS="1")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr.lower().replace("_", " "), done.stderr
    assert done.stderr.count("\n") == 1


def test_an_authority_that_is_not_there_is_named(stack: LocalStack, tmp_path: Path) -> None:
    settings = stack.chosen.environment()
    settings["RABBITMQ_URL"] = settings["RABBITMQ_URL"].replace("ca.pem", "nowhere.pem")
    (tmp_path / "a.csv").write_text(HEADER)
    done = run("producer", str(tmp_path / "a.csv"), **settings)
    assert done.returncode == 2
    assert "nowhere.pem: No such file or directory" in done.stderr
