"""``python -m dev.etl_versions``: whether an ETL has changed since its version was last raised.

``sql/versions.json`` has the fingerprint of each ETL's SQL, and of the views and functions that it
reads, for its present version. A test compares.
"""

import argparse
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import sqlparse

from dev.equivalence import compare, tree_of
from etls.aggregates.catalogue import AGGREGATES
from etls.aggregates.streamed import as_etl, facts_query
from etls.answers.catalogue import ANSWERS
from etls.catalogue import ETLS, Etl
from warehouse.entry import Parser, run_command
from warehouse.errors import UsageError, WarehouseError
from warehouse.queries import SQL
from warehouse.sql_text import words

_FILE = SQL / "versions.json"
_OBJECT = re.compile(r"\b(?:raw|crm|reports|meta|public)\.\w+")
_DEFINITION = re.compile(
    r"^CREATE\s+(?:OR\s+REPLACE\s+)?(?:MATERIALIZED\s+)?(?:VIEW|FUNCTION)\s+([\w.]+)", re.I | re.M
)

ALL: dict[str, Etl] = {
    **ETLS,
    **{answer.etl.name: answer.etl for answer in ANSWERS},
    **{name: as_etl(aggregate) for name, aggregate in AGGREGATES.items()},
}


class Recorded(NamedTuple):
    """What is on record of an ETL."""

    version: int
    fingerprint: str


def fingerprint(etl: Etl, sql: Path | None = None) -> str:
    """Of an ETL's SQL and of the views and functions that it reads, directly or not, in a folder.

    Comments and blanks do not count.
    """
    sql = sql or SQL
    text = (sql / f"{etl.sql}.sql").read_text("utf-8")
    if etl.name in AGGREGATES:
        text += facts_query(AGGREGATES[etl.name])
    parts = [" ".join(words(one)) for one in (text, *_read_by(text, sql))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def recorded() -> dict[str, Recorded]:
    """What is on record of each ETL."""
    entries = json.loads(_FILE.read_text("utf-8"))
    return {name: Recorded(**entry) for name, entry in entries.items()}


def changed() -> dict[str, str]:
    """The ETLs that have changed since they were recorded, and what to do about each."""
    known = recorded()
    found = {}
    for name, etl in ALL.items():
        entry = known.get(name)
        if entry is None or entry.version != etl.version:
            found[name] = f"version {etl.version} is new: type make etl_versions"
        elif entry.fingerprint != fingerprint(etl):
            found[name] = (
                f"its SQL, or a view or function that it reads, has changed since version"
                f" {etl.version}: raise the version in the catalogue if results change, else type"
                f" make etl_equivalent ETL={name}"
            )
    return found


def _read_by(text: str, sql: Path) -> list[str]:
    """The definitions of views and functions that a text names, and those that they name."""
    definitions = _definitions(sql)
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in sorted(set(_OBJECT.findall(waiting.pop()))):
            if name in definitions and name not in found:
                found[name] = definitions[name]
                waiting.append(definitions[name])
    return [found[name] for name in sorted(found)]


@lru_cache
def _definitions(sql: Path) -> dict[str, str]:
    """All definitions of each view and function, in the order of the migrations."""
    found: dict[str, str] = {}
    for path in sorted((sql / "migrations").glob("*.sql")):
        for statement in sqlparse.split(path.read_text("utf-8")):
            if named := _DEFINITION.search(statement):
                found[named.group(1)] = found.get(named.group(1), "") + statement
    return found


def _record(etls: dict[str, Etl]) -> None:
    entries = {name: entry._asdict() for name, entry in recorded().items() if name in ALL}
    for name, etl in etls.items():
        entries[name] = Recorded(etl.version, fingerprint(etl))._asdict()
    text = json.dumps(dict(sorted(entries.items())), indent=2)
    _FILE.write_text(f"{text}\n", "utf-8")


def _run() -> None:
    parser = Parser(prog="python -m dev.etl_versions", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    record = commands.add_parser("record", help="record ETLs whose version is new")
    record.set_defaults(command=_record_new)
    equivalent = commands.add_parser(
        "equivalent", help="run old and new SQL over generated events, and record what is equal"
    )
    equivalent.add_argument("etl", metavar="ETL", help=f"one of {', '.join(ALL)}")
    equivalent.add_argument("--against", default="HEAD", metavar="COMMIT", help="the old SQL")
    equivalent.set_defaults(command=_record_equivalent)
    arguments = parser.parse_args()
    arguments.command(arguments)


def _record_new(_: argparse.Namespace) -> None:
    known = recorded()
    new = {
        name: etl
        for name, etl in ALL.items()
        if name not in known or known[name].version != etl.version
    }
    _record(new)
    for name, etl in new.items():
        print(f"{name}: version {etl.version} is recorded")
    if remaining := changed():
        raise WarehouseError("\n".join(f"{name}: {said}" for name, said in remaining.items()))
    print("every ETL is as recorded")


def _record_equivalent(arguments: argparse.Namespace) -> None:
    name = arguments.etl
    if name not in ALL:
        raise UsageError(f"no ETL is called {name!r}; there are {', '.join(ALL)}")
    known = recorded().get(name)
    with tree_of(arguments.against) as old:
        if known is None or fingerprint(ALL[name], old / "sql") != known.fingerprint:
            raise UsageError(
                f"{arguments.against} does not have the recorded SQL of {name}: type AGAINST= and"
                " the commit before the change (git log sql)"
            )
        compare(ALL[name], old, SQL.parent)
    _record({name: ALL[name]})
    print(f"{name}: the same results as {arguments.against}; its new SQL is recorded")


def main() -> None:
    """Run the command line."""
    run_command(_run)


if __name__ == "__main__":
    main()
