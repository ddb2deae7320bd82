"""What each role may do and, above all, may not: refused attempts, the former attack among them."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from etls.catalogue import ETLS
from stack.local import LocalStack
from tests.integration.conftest import Database, run

ROLES = ["warehouse_ingest", "warehouse_etl", "warehouse_read"]
DAY = "2020-12-06"
EVENT = (
    "INSERT INTO raw.user_events"
    " (event_id, id, event_type, plan_name, received_at, imported_at, line)"
    f" VALUES (gen_random_uuid(), 'zeus', 'User Created', 'Free', '{DAY} 10:00+00', now(), 1)"
)
DEFINER_FUNCTIONS = "FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text !~ '^pg_'"


class Login:
    """A login that has nothing but one role."""

    def __init__(self, role: str) -> None:
        parts = urlsplit(os.environ["DATABASE_URL"])
        address = f"test_{role}:secret@{parts.hostname}:{parts.port}"
        self.url = parts._replace(netloc=address).geturl()
        self.connection = psycopg2.connect(self.url)
        self.connection.autocommit = True

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def is_refused(self, *statements: str) -> str:
        """PostgreSQL's words for the last statement; it must be refused for lack of a right."""
        with pytest.raises(psycopg2.errors.InsufficientPrivilege) as refused:
            self.do(*statements)
        return str(refused.value)


@pytest.fixture(name="logins")
def _logins(administrator: Database, database: Database) -> Iterator[dict[str, Login]]:
    """A login for each role."""
    assert database
    for role in ROLES:
        administrator.rows(f"CREATE ROLE test_{role} LOGIN PASSWORD 'secret' IN ROLE {role}")
    logins = {role: Login(role) for role in ROLES}
    yield logins
    for role, login in logins.items():
        login.do("DISCARD ALL")  # a temporary table would outlast the connection by a moment
        login.connection.close()
        administrator.rows(f"DROP ROLE test_{role}")


def test_nobody_who_runs_a_program_is_a_superuser(administrator: Database) -> None:
    found = administrator.rows(
        "SELECT DISTINCT rolname, rolsuper, rolcreaterole FROM pg_namespace"
        " INNER JOIN pg_roles ON pg_roles.oid = nspowner"
        " WHERE nspname IN ('raw', 'raw_days', 'crm', 'reports', 'meta')"
    )
    assert found == [("warehouse", False, False)]
    assert (
        administrator.rows(
            f"SELECT proname {DEFINER_FUNCTIONS} AND proowner <> 'warehouse'::regrole"
        )
        == []
    )


def test_a_trap_for_the_owner_does_not_close(
    logins: dict[str, Login], administrator: Database
) -> None:
    """A table of one's own, named as a feed's: its rows would be checked by one's own function,
    with the rights of the function that copies them."""
    message = logins["warehouse_ingest"].is_refused(
        EVENT,
        "CREATE FUNCTION pg_temp.trap(text) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN CREATE TABLE public.caught AS SELECT current_user; RETURN true; END $$",
        "CREATE DOMAIN pg_temp.plan AS text CHECK (pg_temp.trap(VALUE))",
        "CREATE TEMPORARY TABLE user_events (LIKE raw.user_events)"
        " PARTITION BY RANGE (received_at)",
        "ALTER TABLE user_events ALTER plan_name TYPE pg_temp.plan",
        "GRANT ALL ON user_events TO PUBLIC",
        f"SELECT raw.add_day('pg_temp.user_events', '{DAY}')",
    )
    assert "user_events is not the raw table of a feed" in message
    assert administrator.rows("SELECT to_regclass('public.caught')") == [(None,)]


@pytest.mark.parametrize(
    "table",
    [
        "pg_temp.user_events",
        "crm.users_dim",
        "raw.receipts",
        "raw_days.user_events_other",
        "pg_catalog.pg_class",
    ],
)
def test_functions_of_the_owner_refuse_every_table_but_those_of_feeds(
    table: str, logins: dict[str, Login], database: Database
) -> None:
    ((number,),) = database.rows("SELECT to_regclass(%s)::oid", table)  # needs no right to name it
    table = str(number or table)
    for role, call in (
        ("warehouse_ingest", f"SELECT raw.add_day('{table}', '{DAY}')"),
        ("warehouse_etl", f"SELECT raw.drop_days('{table}', '{DAY}')"),
    ):
        login = logins[role]
        login.do(
            "CREATE TEMPORARY TABLE user_events (received_at date) PARTITION BY RANGE (received_at)"
        )
        assert "is not the raw table of a feed" in login.is_refused(call)
    assert "is not" in logins["warehouse_ingest"].is_refused(f"SELECT raw.add_day(NULL, '{DAY}')")


def test_functions_of_the_owner_name_their_schemas_and_are_not_everybodys(
    administrator: Database,
) -> None:
    found = administrator.rows(f"SELECT proname, proconfig, proacl::text {DEFINER_FUNCTIONS}")
    assert {name for name, _, _ in found} == {"add_day", "drop_days"}
    for name, settings, rights in found:
        assert "search_path=pg_catalog, pg_temp" in settings, name
        assert rights is not None and not rights.startswith("{=X") and ",=X" not in rights, name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_makes_nothing_that_stays(role: str, logins: dict[str, Login]) -> None:
    for schema in ("public", "raw", "raw_days", "crm", "reports", "meta"):
        logins[role].is_refused(f"CREATE TABLE {schema}.mine ()")
        logins[role].is_refused(
            f"CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
    logins[role].is_refused("CREATE SCHEMA mine")
    logins[role].is_refused("COPY (SELECT 1) TO PROGRAM 'cat'")


def test_a_reader_writes_nothing(logins: dict[str, Login]) -> None:
    reader = logins["warehouse_read"]
    reader.is_refused("CREATE TEMPORARY TABLE mine ()")
    for statement in (
        EVENT,
        "DELETE FROM raw.user_events",
        "UPDATE crm.users_dim SET id = id",
        "DELETE FROM meta.etl_runs",
        f"SELECT raw.add_day('raw.user_events', '{DAY}')",
        f"SELECT raw.drop_days('raw.user_events', '{DAY}')",
    ):
        reader.is_refused(statement)
    assert reader.do("SELECT count(*) FROM raw.user_events, crm.users_as_of(now())") == [(0,)]


def test_who_ingests_takes_nothing_away_and_sees_no_results(logins: dict[str, Login]) -> None:
    ingest = logins["warehouse_ingest"]
    for statement in (
        "DELETE FROM raw.user_events",
        "UPDATE raw.user_events SET id = id",
        "TRUNCATE raw.user_events",
        "DELETE FROM raw.rejected_events",
        "SELECT FROM raw_days.user_events_other",
        "SELECT FROM crm.users_dim",
        f"SELECT raw.drop_days('raw.user_events', '{DAY}')",
    ):
        ingest.is_refused(statement)


def test_who_runs_etls_adds_no_events_and_does_not_say_what_has_to_run(
    logins: dict[str, Login],
) -> None:
    for statement in (
        EVENT,
        "DELETE FROM raw.user_events",
        "DELETE FROM meta.etl_inputs",
        "UPDATE meta.etl_inputs SET etl = 'other'",
        f"SELECT raw.add_day('raw.user_events', '{DAY}')",
    ):
        logins["warehouse_etl"].is_refused(statement)


def test_a_stranger_does_not_even_connect(administrator: Database) -> None:
    administrator.rows("CREATE ROLE test_stranger LOGIN PASSWORD 'secret'")
    try:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            Login("stranger")
    finally:
        administrator.rows("DROP ROLE test_stranger")


def test_days_that_an_etl_has_not_processed_are_not_dropped(
    logins: dict[str, Login], database: Database
) -> None:
    etl = logins["warehouse_etl"]
    drop = f"SELECT raw.drop_days('raw.user_events', '{DAY}'::date + 1)"
    database.rows(f"SELECT raw.add_day('raw.user_events', '{DAY}')")

    def refused() -> str:
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState) as error:
            etl.do(drop)
        return str(error.value)

    database.rows(EVENT)
    assert f"{DAY} of raw.user_events has events that user_events_daily has not" in refused()
    assert run("etls", "run", "user_events_daily", "--date", DAY).returncode == 0
    assert "users_dim has not processed" in refused()
    assert run("etls", "run", "users_dim", "--date", DAY).returncode == 0
    database.rows(EVENT)  # a late one
    assert "has not processed" in refused()
    assert run("etls", "run", "user_events_daily", "users_dim", "--date", DAY).returncode == 0
    assert etl.do(drop) == [(2,)]
    assert database.count("raw.user_events") == 0


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_from_before_does_not_hide_events_from_who_drops(
    level: str, logins: dict[str, Login], database: Database
) -> None:
    etl = logins["warehouse_etl"]
    database.rows(f"SELECT raw.add_day('raw.user_events', '{DAY}')")
    etl.do(f"BEGIN ISOLATION LEVEL {level}", "SELECT 1")
    database.rows(EVENT)
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="READ COMMITTED"):
        etl.do(f"SELECT raw.drop_days('raw.user_events', '{DAY}'::date + 1)")
    etl.do("ROLLBACK")
    assert database.count("raw.user_events") == 1


def test_days_that_no_etl_processes_by_date_are_not_dropped(logins: dict[str, Login]) -> None:
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="no ETL processes"):
        logins["warehouse_etl"].do("SELECT raw.drop_days('raw.activity', '2030-01-01')")


def test_the_database_knows_what_every_etl_reads(database: Database) -> None:
    known = set(database.rows("SELECT etl, feed FROM meta.etl_inputs"))
    assert known == {(etl.name, feed) for etl in ETLS.values() for feed in etl.inputs}


def test_no_file_that_others_can_read_holds_a_password() -> None:
    stack = LocalStack(os.environ["STACK_INSTANCE"])
    passwords = [stack.chosen["password"], stack.chosen["administrator_password"]]
    holders = []
    for path in stack.home.rglob("*"):
        if path.is_file() and any(word.encode() in path.read_bytes() for word in passwords):
            holders.append(path)
    assert {"settings", "rabbitmq.conf"} <= {path.name for path in holders}
    for path in holders:
        assert not path.stat().st_mode & 0o077, path
    for folder in (stack.home, stack.home / "rabbitmq", stack.home / "postgres"):
        assert not folder.stat().st_mode & 0o077, folder
