"""Text from outside reaches no terminal as it came."""

import json
import re
import unicodedata
from datetime import datetime, timezone

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from etls.answers.catalogue import ANSWERS
from etls.answers.page import page
from ops.audit import Account, Verdict
from ops.doctor import Finding
from warehouse.entry import run_command
from warehouse.errors import WarehouseError
from warehouse.logging import configure_logging
from warehouse.settings import Settings
from warehouse.visible import visible

HOSTILE = "a\x1b[2J\x1b]0;title\x07\r\nerror: all is well\x85\u202egpj\u2028\udcff"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\r\nerror: all is well\x85\u202egpj\u2028\udcff"


@given(st.text())
def test_what_is_visible_stays_and_what_is_not_is_written_out(text: str) -> None:
    found = visible(text)
    found.encode()  # no half of a surrogate pair is left
    assert not [c for c in found if unicodedata.category(c) in ("Cc", "Zl", "Zp")]
    if text.isprintable():
        assert found == text


def test_names_in_any_script_stay_as_they_are() -> None:
    for text in ("Zoë Müller", "宙斯", "زئوس\u200cها", "👩\u200d💻", "a b\\x1b"):
        assert visible(text) == text


def test_an_error_is_shown_as_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise WarehouseError(f"{HOSTILE}\nerror: two")

    with pytest.raises(SystemExit):
        run_command(fail)
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\r" not in said and said.endswith("\nerror: two\n")


def test_the_audit_shows_sources_and_errors_as_what_they_are() -> None:
    account = Account(
        imported_at=datetime(2026, 11, 28, tzinfo=timezone.utc),
        feed="user_events",
        source=HOSTILE,
        published_messages=1,
        published=1,
        last_line=1,
        error=HOSTILE,
        settled_messages=1,
        stored=1,
        already_there=0,
        rejected=0,
        dead=0,
        n_unbalanced=0,
        is_superseded=False,
        replayed=0,
        pruned=0,
        idle_seconds=0.0,
    )
    lines = str(Verdict(account, 0, None)).split("\n")
    assert len(lines) == 2 and all(SHOWN in line for line in lines)


def test_the_doctor_shows_what_the_broker_says_as_what_it_is() -> None:
    assert str(Finding(HOSTILE, HOSTILE)) == f"  WRONG {SHOWN}\n        {SHOWN}"


def test_answers_show_what_visitors_sent_as_what_it_is() -> None:
    by_event_type = ANSWERS[0]
    text = page([(by_event_type, [(HOSTILE, 1, 1, 1.0)])])
    assert re.search("[\x00-\x09\x0b-\x1f\x85\u202e\u2028]", text) is None
    assert SHOWN in text


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_line_of_the_log_is_one_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_logging(
            Settings.model_validate(
                {
                    "database_url": "postgresql://u:p@h/d",
                    "rabbitmq_url": "amqp://u:p@h/",
                    "log_format": form,
                }
            )
        )
        structlog.get_logger().warning("dead letter", message_id=HOSTILE)
    finally:
        structlog.configure(**before)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\x1b" not in said and "\u202e" not in said
    if form == "json":
        assert json.loads(said)["message_id"] == SHOWN
