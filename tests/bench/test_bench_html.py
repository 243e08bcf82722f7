"""The page about a record: well-formed, whole, with nothing from elsewhere, and nothing of a record that is HTML."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from bench_records import counted, record, timed
from pages import Page
from test_bench_charts import batches, beside, on, two_devices

from gpudl.bench import against, tables
from gpudl.bench.charts import charts
from gpudl.bench.html import as_html

EVIL = "<script>alert(1)</script>\"'&<b>"


def full() -> dict[str, Any]:
    """A record with charts of each kind that tables know."""
    gpu = on("cuda:0", timed(0.001, 0.001, 0.001, "a"), beside(0.02, 0.01, 0.03, "b"))
    rows = [timed(0.002, 0.001, 0.003, "a", share=3.0), beside(2.0, 1.0, 3.0, "b")]
    curves = [*batches("cpu", "GPT", {1: 5.0, 4: 6.0}), *batches("cuda:0", "GPT", {1: 1.0, 4: 60.0})]
    made = two_devices(*rows, counted(launches=1234), *gpu, *curves)
    made["settings"] |= {"seconds": 61.0, "suites": ["ops", "crossover"]}
    made["environment"] |= {"torch": "2.13", "torch_threads": 2, "clocks": [{"index": "0", "clocks.sm": "1980 MHz"}]}
    return made


def page(made: dict[str, Any]) -> Page:
    text = as_html(made)
    found = Page(text)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    links = [attributes[name] for _, attributes in found.elements for name in ("href", "src") if name in attributes]
    assert all(link[0] == "#" and link[1:] in ids for link in links) and len(links) == len(ids)
    assert "url(" not in text and "@import" not in text and "//" not in text
    assert [tag for tag, _ in found.elements].count("script") == 1
    for place in re.findall(r"(?:left|width):([^;%\"]*)%", text[text.index("<body>") :]):
        assert 0 <= float(place) <= 100, place
    return found


def test_a_page_has_every_row_of_the_tables_and_every_chart() -> None:
    made = against(full(), full())
    found = page(made)
    sections = [attributes["id"] for tag, attributes in found.elements if tag == "section"]
    kinds = list(dict.fromkeys(chart.kind for chart in charts(made)))
    assert sections == [*kinds, "figures", "environment"] and len(kinds) == 6
    for table in tables(made):
        for cell in (table.title, *table.head, *(cell for row in table.rows for cell in row), *table.notes):
            assert " ".join(cell.split()) in found.text, cell
    shown = [table for table in tables(made) if table.head]
    assert len(found.all("table", "record")) == len(shown) == 3
    drawn = charts(made)
    assert len(found.all("figure", "card")) == len(drawn)
    for chart in drawn:
        assert chart.subject in found.text and chart.said in found.text and chart.across in found.text


def test_each_bar_stands_in_a_table_with_its_name_and_its_value() -> None:
    text = as_html(record(timed(1, 1, 1, "exp", share=0.25)))
    row = text[text.index('<th scope="row">exp') :]
    assert row.startswith(
        '<th scope="row">exp <span>forward</span></th><td class="track"><i class="solid" '
        'style="left:0.00%;width:25.00%"></i></td><td class="n">25 %</td></tr>'
    )
    assert '<tr title="4: 1.00 s">' in text and "<caption>elementwise</caption>" in text
    assert '<figure class="card bars" aria-label="Share of the limit: cpu">' in text


def test_a_bar_beyond_the_axis_ends_at_it_and_says_so() -> None:
    text = as_html(record(timed(1, 1, 1, share=20.0)))
    assert '<i class="solid over" style="left:0.00%;width:100.00%">' in text and "goes on beyond 150 %" in text
    assert " over" not in re.sub("<style>.*</style>", "", as_html(record(timed(1, 1, 1, share=1.4))), flags=re.DOTALL)


def test_curves_have_a_text_for_those_who_do_not_see_them() -> None:
    (curve,) = [attributes for attributes in page(full()).all("svg") if attributes.get("role") == "img"]
    assert curve["aria-label"] == (
        "Line chart of GPT: samples per second: cpu 6.000 at batch size 4; cuda:0 60.00 at batch size 4"
    )
    assert ">batch size, log</text>" in as_html(full()) and ">log</text>" in as_html(full())
    assert '"log":true' in curve["data-chart"].replace(" ", "")


def test_looks_differ_without_color() -> None:
    made = full()
    made["rows"] += batches("cuda:1", "GPT", {1: 2.0, 4: 50.0})
    text = as_html(made)
    assert 'path class="third"' in text and "path.third{stroke:var(--good);stroke-das" in text
    assert "repeating-linear-gradient" in text[text.index(".track .hatched") :][:100]
    assert (
        'path class="train"' in text and 'path class="val"' in text and "path.val{stroke:var(--val);stroke-das" in text
    )


def test_the_same_record_gives_the_same_page() -> None:
    made = full()
    kept = copy.deepcopy(made)
    assert as_html(made) == as_html(made) and made == kept


def named(name: str) -> Page:
    made = full()
    for row in made["rows"]:
        row.update({key: f"{name} {row[key]}" for key in ("group", "case", "part", "sizes")})
    for device in made["devices"]:
        device["name"] = name
    made["missing"] = [name]
    made["environment"].update(cpu=name, date=name, python=name, packages={name: name})
    made["settings"][name] = [name]
    return page(made)


@pytest.mark.parametrize("name", [EVIL, "long " * 100, "\ud800 漢字", "]]><!--"])
def test_names_of_any_kind_are_text(name: str) -> None:
    found = named(name)
    assert " ".join(name.split()) in found.text
    shapes = [[(tag, *attributes) for tag, attributes in each.elements] for each in (found, named("plain"))]
    assert shapes[0] == shapes[1]


def test_long_sizes_are_cut_in_the_middle_with_all_of_them_under_the_pointer() -> None:
    sizes = ", ".join(f"{number}x64x3x224" for number in range(100))
    found = page(record(timed(1, 1, 1, sizes=sizes)))
    (cell,) = found.all("td", "sizes")
    assert cell["title"] == sizes and sizes not in found.text and "0x64x3x224, 1x64" in found.text


@pytest.mark.parametrize("rows", [[], [timed(1, 1, 1)], [counted()], [timed(1, 1, 1, share=None, limit=None)]])
def test_a_page_of_little(rows: list[dict[str, Any]]) -> None:
    found = page(record(*rows))
    assert f"{len(rows)} row{'s' * (len(rows) != 1)} of" in found.text and "Machine and versions" in found.text


def test_a_verdict_stands_at_the_top() -> None:
    now, then = record(timed(2, 2, 2)), record(timed(1, 1, 1))
    assert "✗ 1 slower than the baseline" in page(against(now, then)).text
    assert "✓ none slower than the baseline" in page(against(then, now)).text
    assert "than the baseline" not in page(now).text


def test_what_is_missing_and_what_makes_times_doubtful_is_said() -> None:
    made = record(timed(1, 1, 1))
    made["missing"] = ["not measured: device 'cuda' is not available"]
    made["settings"] |= {"quick": True, "others_share": 0.5}
    text = page(made).text
    assert made["missing"][0] in text and "its times say little" in text and "Other programs took 50 %" in text


def test_wide_tables_scroll_in_their_own_box_and_can_be_reached_by_keys() -> None:
    boxes = page(full()).all("div", "scroll")
    assert len(boxes) == 3 and all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)
