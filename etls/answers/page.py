"""The answers as a page: for a terminal, and as a file."""

from collections.abc import Iterable
from typing import Any

from etls.answers.catalogue import Answer, Rows
from warehouse.visible import visible

_MOST_ROWS = 10
_NOTHING = "No interactions have been imported yet: make web_import"


def page(answers: Iterable[tuple[Answer, Rows]]) -> str:
    """The questions, an answer in a sentence each, and the rows behind it, as Markdown."""
    parts = ["# Web interactions: what the business asks"]
    for number, (answer, rows) in enumerate(answers, 1):
        said = answer.said(rows) if any(any(row[1:]) for row in rows) else _NOTHING
        parts.append(f"## {number}. {answer.question}\n\n{visible(said)}")
        parts.append(_table(answer.columns, rows[:_MOST_ROWS]))
        if len(rows) > _MOST_ROWS:
            parts.append(f"… and {len(rows) - _MOST_ROWS} more in `{answer.etl.target}`")
    return "\n\n".join(parts) + "\n"


def _table(columns: tuple[str, ...], rows: Rows) -> str:
    head = f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}"
    lines = (f"| {' | '.join(map(_shown, row))} |" for row in rows)
    return "\n".join([head, *lines])


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else visible(str(value)).replace("|", "\\|")
