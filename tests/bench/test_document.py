from pathlib import Path

import pytest

from bench.document import NoSuchBlock, markdown_table, replace_block, rewrite_block

PAGE = """# Page
before
<!-- measured: one -->
old
figures
<!-- end: one -->
between
<!-- measured: two -->
<!-- end: two -->
after
"""


def test_only_the_named_block_changes() -> None:
    changed = replace_block(PAGE, "one", "\nnew\n\n")
    assert changed == PAGE.replace("old\nfigures", "new")


def test_an_empty_block_can_be_filled() -> None:
    assert "<!-- measured: two -->\nfigures\n<!-- end: two -->\nafter" in replace_block(PAGE, "two", "figures")


def test_replacing_twice_gives_the_same_page() -> None:
    once = replace_block(PAGE, "one", "new")
    assert replace_block(once, "one", "new") == once


def test_content_is_taken_literally() -> None:
    assert r"a\1 \g<0> b" in replace_block(PAGE, "one", r"a\1 \g<0> b")


@pytest.mark.parametrize("page", [PAGE.replace("<!-- end: one -->", ""), PAGE.replace("<!-- measured: one -->", "")])
def test_a_page_without_both_markers_is_refused(page: str) -> None:
    with pytest.raises(NoSuchBlock, match="one"):
        replace_block(page, "one", "new")


def test_a_file_is_rewritten_in_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    rewrite_block(page, "two", "± 1 cm")
    assert page.read_text(encoding="utf-8") == replace_block(PAGE, "two", "± 1 cm")


def test_columns_of_a_table_line_up() -> None:
    assert markdown_table(("what", "cm"), [("chest", "1.0"), ("hip", "12.5")]).splitlines() == [
        "| what  |   cm |",
        "| ----- | ---: |",
        "| chest |  1.0 |",
        "| hip   | 12.5 |",
    ]
