"""The words of a SQL text, by which two texts are compared: comments and blanks do not count."""

import re
from collections.abc import Iterator

import sqlparse
from sqlparse import tokens

_BODY = re.compile(r"(\$\w*\$)(.*)\1", re.S)


def words(text: str) -> Iterator[str]:
    """Each word, sign and literal; those of function bodies too."""
    for statement in sqlparse.parse(text):
        for token in statement.flatten():  # type: ignore[no-untyped-call]
            value = str(token.value)
            if body := _BODY.fullmatch(value):
                yield from words(body.group(2))
            elif token.ttype in tokens.Comment and not value.startswith(("--", "/*")):
                yield value[0]  # PostgreSQL's operator #, which sqlparse takes for a comment
                yield from words(value[1:])
            elif not token.is_whitespace and token.ttype not in tokens.Comment:
                yield value
