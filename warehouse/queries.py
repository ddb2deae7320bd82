"""SQL lives in ``sql/``, one file a statement group, with parameters as psql writes them."""

import re
from functools import lru_cache
from pathlib import Path

SQL = Path(__file__).resolve().parent.parent / "sql"

_PARAMETER = re.compile(r":'(\w+)'")


@lru_cache
def query(name: str) -> str:
    """The text of ``sql/<name>.sql``, its ``:'parameter'`` as psycopg2's ``%(parameter)s``.

    So the same file runs by itself: ``psql -1 -v feed=… -f sql/<name>.sql``.
    """
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    return _PARAMETER.sub(r"%(\1)s", text.replace("%", "%%"))
