"""The proposal: its PDF, tables and diagrams are those of its sources; its links lead somewhere."""

import re
import zlib

import pytest

from docs import build
from docs.deployment_costs import SIZES, Size, monthly_cost
from docs.diagrams import DRAWINGS

TEXT = build.TEXT.read_text(encoding="utf-8")
HTML = build.as_html(TEXT, "")


def inflated(pdf: bytes) -> bytes:
    """All streams of a PDF that can be unpacked, one after the other."""
    parts = list[bytes]()
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(match[1]))
        except zlib.error:
            pass  # a stream of another kind
    return b"\n".join(parts)


def test_the_pdf_was_built_from_these_sources() -> None:
    assert build.sources_digest().encode() in inflated(build.PDF.read_bytes()), "run: make docs"


def test_the_tables_are_those_of_the_program() -> None:
    assert build.with_tables(TEXT) == TEXT, "run: make docs"


def test_a_table_without_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places for the table costs"):
        build.with_tables(TEXT.replace("<!-- costs -->", ""))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_the_answer_names_the_cost_of_each_size(size: Size) -> None:
    total = monthly_cost(size)
    step = 10 ** (len(str(int(total))) - 2)
    rounded = round(total / step) * step
    answer = TEXT[TEXT.index("## 2.") : TEXT.index("## 3.")]
    assert re.search(rf"\${rounded:,}\b[^$]* {size.name}\b", " ".join(answer.split()))


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_diagrams_are_those_that_are_drawn(name: str) -> None:
    drawn = (build.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == str(DRAWINGS[name]()), "run: make docs"
    assert f"({name}.svg)" in TEXT


def test_links_to_files_of_the_project_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(targets) > 8
    for target in targets:
        assert (build.FOLDER / target).is_file(), target


def test_the_pdf_links_to_no_file_beside_it_and_its_contents_to_headings() -> None:
    links = re.findall(r'href="([^"]*)"', HTML)
    assert len(links) > 17
    for link in links:
        assert link.startswith("https:") or f'id="{link.removeprefix("#")}"' in HTML, link
    for number in range(1, 18):
        assert re.search(rf'<h2 id="{number}-[a-z0-9-]+">{number}\. ', HTML)
