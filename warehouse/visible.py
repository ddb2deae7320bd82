"""Text from outside, as a terminal or a page may have it."""

import re

# Control characters, line separators, what turns the direction of writing, and halves of surrogate
# pairs, as which Python keeps bytes of a file's name that are no text.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str, kept: str = "") -> str:
    r"""A text whose control characters are written out, such as ``\x1b``; those ``kept`` are not.

    Whoever names a file, or fills a message, may not clear our screen or write lines in our name.
    """
    return _INVISIBLE.sub(lambda found: _written_out(found.group(), kept), text)


def _written_out(character: str, kept: str) -> str:
    if character in kept:
        return character
    return character.encode("unicode_escape").decode("ascii")
