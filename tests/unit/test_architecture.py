"""The rules of the house: who may import whom, and which module knows which library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
PARTS = ("feeds", "warehouse", "producer", "consumer", "etls", "ops", "lake", "orchestrator")
ALLOWED = {
    "feeds": {"feeds", "warehouse"},
    "warehouse": {"warehouse"},
    "producer": {"producer", "feeds", "warehouse"},
    "consumer": {"consumer", "feeds", "warehouse"},
    "etls": {"etls", "feeds", "warehouse"},
    "ops": {"ops", "feeds", "warehouse"},
    "orchestrator": {"orchestrator", "etls", "warehouse"},
    "lake": {"lake", "producer", "etls", "feeds", "warehouse"},  # the whole way, in one command
}


def modules(part: str) -> list[Path]:
    return sorted((HOUSE / part).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    assert modules(part)
    for path in modules(part):
        ours = {name.split(".")[0] for name in imports(path)} & set(PARTS)
        assert ours <= ALLOWED[part], f"{path} imports {ours - ALLOWED[part]}"


@pytest.mark.parametrize(
    ("library", "home"),
    [("pika", "warehouse/rabbitmq"), ("psycopg2", "warehouse/postgres.py")],
)
def test_one_place_knows_each_driver(library: str, home: str) -> None:
    knowing = {
        str(path.relative_to(HOUSE))
        for part in PARTS
        for path in modules(part)
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert knowing and all(path.startswith(home) for path in knowing)


@pytest.mark.parametrize(
    ("part", "module"), [("etls", "warehouse.rabbitmq"), ("producer", "warehouse.postgres")]
)
def test_a_part_stays_away_from_the_other_service(part: str, module: str) -> None:
    for path in modules(part):
        assert module not in set(imports(path)), path
