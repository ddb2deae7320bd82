"""Builds docs/deployment.pdf from docs/deployment.md: ``python -m docs.build``, or ``make docs``.

Diagrams are drawn and cost tables computed first, so that text, figures and PDF agree.
"""

import re
from hashlib import sha256
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.deployment_costs import TABLES
from docs.diagrams import DRAWINGS, draw_all

FOLDER = Path(__file__).parent
TEXT = FOLDER / "deployment.md"
PDF = FOLDER / "deployment.pdf"
_STYLE = FOLDER / "deployment.css"
_CONTENTS = "<!-- contents -->"


def source_paths() -> list[Path]:
    """The files that the PDF is made of."""
    return [TEXT, _STYLE, *(FOLDER / f"{name}.svg" for name in sorted(DRAWINGS))]


def sources_digest() -> str:
    """A hash of these files, which the PDF carries."""
    digest = sha256()
    for path in source_paths():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def with_tables(text: str) -> str:
    """The text with the cost tables as they are computed now, between their marks."""
    for name, table in TABLES.items():
        first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
        n_found = len(re.findall(f"(?s){first}.*?{last}", text))
        if n_found != 1:
            raise ValueError(f"{TEXT.name}: has {n_found} places for the table {name}, needs one")
        start, end = text.index(first) + len(first), text.index(last)
        text = f"{text[:start]}\n\n{table()}\n\n{text[end:]}"
    return text


def as_html(text: str, digest: str) -> str:
    """The page that WeasyPrint sets: headings with ids, a table of contents, no local links."""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text)
    headings = list[tuple[str, str, str]]()
    for token, inline in zip(tokens, tokens[1:]):
        if token.type == "heading_open":
            name = slug(inline.content)
            token.attrSet("id", name)
            headings.append((token.tag, name, inline.content))
        _drop_local_links(inline)
    body = str(parser.renderer.render(tokens, parser.options, {}))
    title = next(heading for tag, _, heading in headings if tag == "h1")
    return (
        f'<html lang="en"><head><title>{escape(title)}</title>'
        f'<meta name="sources" content="{digest}"></head>'
        f"<body>{body.replace(_CONTENTS, _contents(headings))}</body></html>"
    )


def slug(heading: str) -> str:
    """The id that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _contents(headings: list[tuple[str, str, str]]) -> str:
    lines = (
        f'<li><a href="#{name}">{escape(heading)}</a></li>'
        for tag, name, heading in headings
        if tag == "h2"
    )
    return f'<nav><ol>{"".join(lines)}</ol></nav>'


def _drop_local_links(inline: Token) -> None:
    """Leave the text of links to other files of the project: beside the PDF there are none."""
    is_local = False
    kept = list[Token]()
    for token in inline.children or ():
        if token.type == "link_open":
            is_local = not re.match(r"#|https?:", str(token.attrGet("href")))
        if not (is_local and token.type in ("link_open", "link_close")):
            kept.append(token)
    inline.children = kept


def main() -> None:
    """Draw, compute, and write the PDF."""
    # An extra, and not there where only the tests are run.
    from weasyprint import CSS, HTML  # pylint: disable=import-outside-toplevel

    draw_all()
    text = with_tables(TEXT.read_text(encoding="utf-8"))
    TEXT.write_text(text, encoding="utf-8")
    digest = sources_digest()
    page = HTML(string=as_html(text, digest), base_url=str(FOLDER))
    document = page.render(stylesheets=[CSS(filename=str(_STYLE))])
    document.write_pdf(PDF, custom_metadata=True, pdf_identifier=digest.encode())
    print(f"{PDF.relative_to(FOLDER.parent)}: {len(document.pages)} pages")


if __name__ == "__main__":
    main()
