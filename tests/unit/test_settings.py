"""Where settings come from, and what production refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.environment import database_url
from warehouse.errors import SettingsError
from warehouse.settings import Settings, read

DATABASE, BROKER = "postgresql://u:s3cret@db/w", "amqp://u:s3cret@mq:5672/%2F"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the checkout's
    for name in ("ENVIRONMENT", "DATABASE_URL_FILE", "RABBITMQ_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    monkeypatch.setenv("RABBITMQ_URL", BROKER)


def test_a_secret_file_stands_for_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("postgresql://u:other@db/w\n")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "secret"))
    assert str(read(Settings).database_url) == "postgresql://u:other@db/w"


def test_a_secret_file_counts_more_than_dotenv_and_less_than_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("7")
    (tmp_path / ".env").write_text("PREFETCH=9\n")
    monkeypatch.setenv("PREFETCH_FILE", str(tmp_path / "secret"))
    assert read(Settings).prefetch == 7
    monkeypatch.setenv("PREFETCH", "8")
    assert read(Settings).prefetch == 8


def test_a_secret_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFETCH_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="PREFETCH_FILE: .*nowhere: No such file"):
        read(Settings)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://warehouse:warehouse@db/w"),
        ("DATABASE_URL", "postgresql://warehouse:change-me@db/w"),
        ("RABBITMQ_URL", "amqp://guest:guest@mq/"),
        ("RABBITMQ_URL", "amqps://mq/"),  # which is guest
    ],
)
def test_production_refuses_passwords_that_everybody_knows(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    read(Settings)
    monkeypatch.setenv("ENVIRONMENT", "prod")
    with pytest.raises(SettingsError, match=f"^ENVIRONMENT=prod, and {name} has a password"):
        read(Settings)


def test_production_takes_passwords_of_its_own_and_none_where_postgresql_may_know_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "prod")
    assert read(Settings).environment == "prod"
    monkeypatch.setenv("DATABASE_URL", "postgresql://warehouse@db/w")
    read(Settings)


def test_there_are_three_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match="ENVIRONMENT: Input should be 'dev', 'test' or 'prod'"):
        read(Settings)


@pytest.mark.parametrize("environment", ["production", "Prod"])
def test_a_role_with_a_database_alone_knows_the_same_environments(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    with pytest.raises(SettingsError, match="ENVIRONMENT: Input should be 'dev', 'test' or 'prod'"):
        database_url()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "DATABASE_URL: Field required"),
        ("mysql://u:s3cret@db/w", "DATABASE_URL: Input should be a URL like postgresql://"),
        ("postgresql:///w", "DATABASE_URL: Input should be a URL like postgresql://"),
        ("db/w", "DATABASE_URL: Input should be a URL like postgresql://"),
        ("postgresql://u:change-me@db/w", "ENVIRONMENT=prod, and DATABASE_URL has a password"),
    ],
)
def test_a_wrong_database_is_refused_in_the_same_words_by_every_role(
    monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("ENVIRONMENT", "prod")
    for ask in (database_url, lambda: read(Settings)):
        with pytest.raises(SettingsError, match=f"^{problem}") as error:
            ask()
        assert "s3cret" not in str(error.value)


def test_several_hosts_make_a_database_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@one:5432,two:5433/w?sslmode=require")
    assert database_url() == read(Settings).database_url


def test_dotenv_counts_where_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://u:of-dotenv@db/w\nPREFETCH=\n")
    assert database_url() == DATABASE
    monkeypatch.setenv("DATABASE_URL", "")
    assert database_url() == "postgresql://u:of-dotenv@db/w"
    assert read(Settings).prefetch == 500


def test_an_etl_starts_without_what_only_other_commands_need() -> None:
    script = (
        "import sys; before = {*sys.modules}; import etls.__main__;"
        " print({'dataclasses', 'numpy', 'pydantic', 'rich'} & {*sys.modules} - before)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"
