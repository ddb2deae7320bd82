"""Settings, errors and exit codes: what a person meets first."""

import sys
from collections.abc import Callable

import pytest

from warehouse.entry import Parser, run_command
from warehouse.errors import SettingsError, UsageError, WarehouseError
from warehouse.rabbitmq import Link
from warehouse.settings import settings, without_password


@pytest.fixture(autouse=True)
def _fresh_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.cache_clear()
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1/db")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://me:secret@127.0.0.1/")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_BYTES", "17")
    assert settings().batch_bytes == 17


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://x"),
        ("RABBITMQ_URL", "http://x"),
        ("PREFETCH", "many"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: .*env.example") as caught:
        settings()
    assert "secret" not in str(caught.value)


def test_a_url_is_shown_without_its_password() -> None:
    assert without_password(settings().database_url) == "postgresql://me@127.0.0.1/db"


def test_a_broker_url_that_is_none_is_called_by_its_name() -> None:
    with pytest.raises(SettingsError, match="RABBITMQ_URL"):
        Link("amqp://host:port/", "test", [])


def _raise(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (lambda: None, 0, ""),
        (_raise(UsageError("type this")), 2, "error: type this\n"),
        (_raise(WarehouseError("it failed")), 1, "error: it failed\n"),
        (_raise(KeyboardInterrupt()), 130, ""),
    ],
)
def test_a_command_ends_with_one_line_and_a_code(
    command: Callable[[], None], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(command)
    assert caught.value.code == code
    assert capsys.readouterr().err == said


def test_a_parser_complains_in_one_line() -> None:
    with pytest.raises(UsageError, match="--nonsense .see it --help."):
        Parser(prog="it").parse_args(["--nonsense"])


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: print(1 // (sys.maxsize - sys.maxsize)))
