"""Where settings come from, and what production refuses."""

from pathlib import Path

import pytest

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
