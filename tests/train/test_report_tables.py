"""Tables: aligned on a terminal, and nothing in their cells that Markdown or HTML would take for its own."""

from html import escape

import pytest

from gpudl.train.report.tables import Table, marked, table_html, table_markdown, table_text

TABLE = Table(
    "Times", ("case", "", "ms", ""), [("add", "forward", "1.5", "ok"), ("matmul", "", "10", "")], 2, ["a", "b"]
)


def test_words_stand_left_and_numbers_right():
    assert table_text(TABLE).splitlines() == [
        "Times",
        "case              ms",
        "------------------------",
        "add     forward  1.5  ok",
        "matmul            10",
        "a",
        "b",
    ]


def test_markdown_has_a_heading_a_table_and_a_list():
    assert table_markdown(TABLE) == (
        "## Times\n\n| case |  | ms |  |\n| --- | --- | ---: | --- |\n"
        "| add | forward | 1.5 | ok |\n| matmul |  | 10 |  |\n\n- a\n- b"
    )


def test_notes_alone_and_a_table_without_rows_or_notes():
    notes = Table("", (), (), notes=["one"])
    assert (table_text(notes), table_markdown(notes)) == ("one", "- one")
    assert table_text(Table("", ("a", "b"), [], 1)) == "a  b\n----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("1.00 s ~", r"1.00 s \~"),
        ("conv_transpose2d", "conv_transpose2d"),
        ("__init__ _x", r"\_\_init\_\_ \_x"),
        ("<script> [x] *y* `z` \\", r"\<script\> \[x\] \*y\* \`z\` \\"),
        ("two\nlines", "two lines"),
        ("", ""),
    ],
)
def test_markdown_takes_no_cell_for_its_own(text, shown):
    assert marked(text) == shown


def test_html_escapes_what_names_it_and_leaves_rows_to_their_maker():
    table = Table("<&>", ("<b>", "n"), [("<i>", "1")], 1)
    page = table_html(table, lambda row: f"<tr><td>{escape(row[0])}</td></tr>", "rows")
    assert (
        'aria-label="&lt;&amp;&gt;"' in page and '<th scope="col">&lt;b&gt;</th><th scope="col" class=n>n</th>' in page
    )
    assert "<tbody><tr><td>&lt;i&gt;</td></tr></tbody>" in page
