"""Puts measured tables into the pages of docs/, between markers, so that prose and figures share one page."""

import re
from collections.abc import Sequence
from pathlib import Path


class NoSuchBlock(ValueError):
    """The page has no markers for this block."""


def replace_block(text: str, name: str, content: str) -> str:
    """The page with everything between the block's two markers replaced by `content`.

    The markers are `<!-- measured: name -->` and `<!-- end: name -->`, each on a line of its own. Raises NoSuchBlock.
    """
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    block = re.compile(rf"^{re.escape(begin)}$.*?^{re.escape(end)}$", re.DOTALL | re.MULTILINE)
    if block.search(text) is None:
        raise NoSuchBlock(f"the page has no lines {begin} and {end}")
    return block.sub(lambda _: f"{begin}\n{content.strip()}\n{end}", text, count=1)


def rewrite_block(page: Path, name: str, content: str) -> None:
    """`replace_block` on a file. Raises NoSuchBlock, or OSError where the page cannot be read or written."""
    page.write_text(replace_block(page.read_text(encoding="utf-8"), name, content), encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns line up when read as plain text; the first column is text, the others are figures."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    rule = [("-" * width if column == 0 else "-" * (width - 1) + ":") for column, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    return "\n".join([line(header), line(rule), *(line(row) for row in rows)])
