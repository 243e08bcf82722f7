"""The page and the Markdown of a comparison: what they say, whole and safe, and that they can be written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import gpudl
from gpudl import nn, optim
from gpudl.cli import main
from gpudl.compare import Comparison, Curves, Difference, Implicit, compare_devices
from gpudl.ops.bias_act import bias_act_forward
from tests.pages import Page


class Waiting(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.GELU())
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.body(x / x.max().item()))  # here


class Report(Page):
    """A page with the texts of its rows, its classes, and what it would load."""

    def __init__(self, text: str) -> None:
        self.rows: list[list[str]] = []
        super().__init__(text)
        self.classes = [each.get("class", "") for _, each in self.elements]
        self.loads = [each[name] for _, each in self.elements for name in ("src", "href") if name in each]

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, text):
        super().handle_data(text)
        if self.open[-1:] in (["td"], ["th"]):
            self.rows[-1][-1] += text


def compared(gpu, steps=3, **settings):
    gpudl.manual_seed(0)
    x, target = gpudl.rand(5, 4), gpudl.arange(5) % 3
    return compare_devices(
        Waiting(), x, loss=nn.CrossEntropyLoss(), target=target, devices=("cpu", gpu), steps=steps, **settings
    )


def test_page_of_devices_that_agree(gpu):
    found = compared(gpu)
    page = Report(found.html())
    assert "✓ the devices agree" in page.text and "The first operation that departs" not in page.text
    assert "the devices differ" not in page.text and "departs" not in page.classes
    assert f"cpu and {gpu}, a batch of 5, seed 0" in page.text
    operations = [row for row in page.rows if row[1:2] and row[1] in ("forward", "backward", "step") and len(row) == 11]
    assert len(operations) == 2 * len(found.ops) and all(row[-1] == "✓" for row in operations)
    shares = [float(row[-2]) for row in operations]
    worst = [max(pair) for pair in zip(shares[::2], shares[1::2], strict=True)]
    assert worst == sorted(worst, reverse=True) and worst[0] > 0
    assert [row[0] for row in page.rows if row[:1] and row[0].isdecimal()] == ["1", "2", "3"]  # losses as a table
    (line,) = [number for number, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "# here" in text][:1]
    assert any(row[0].endswith(f"{Path(__file__).name}:{line}") and row[3] == "3" for row in page.rows if len(row) == 5)
    assert f"{Path(__file__).name}:{line}: transfer on {gpu}, 3 times" in page.text
    assert ["Seed", "0"] in page.rows and ["Steps", "3"] in page.rows
    assert all(each.startswith("#") for each in page.loads) and "http" not in re.sub(
        'http://www.w3.org/[^"]*', "", found.html()
    )
    assert found.html() == found.html()


def test_page_of_a_planted_error(gpu, plant):
    plant(bias_act_forward, lambda results: (results[0] * 1.001, *results[1:]))
    found = compared(gpu, optimizer=lambda model: optim.SGD(model.parameters(), lr=1.0), loss_tolerance=1e-6)
    page = Report(found.html())
    assert "✗ the devices differ" in page.text
    assert f"The first operation that departs forward of BiasAct on {gpu} in layer body.0" in page.text
    (row,) = [row for row in page.rows if row[-1:] == ["departs"]]
    assert row[:3] == ["✗ BiasAct", "forward", "body.0"] and row[4] == gpu and page.classes.count("departs") == 1
    # The farthest first: the operation with the error stands above all others.
    assert [row for row in page.rows if len(row) == 11][1][:3] == ["BiasAct", "forward", "body.0"]
    assert page.classes.count("happening") == 2 and f"part at step {found.curves.parted}" in page.text


def made(**changes) -> Comparison:
    plain = Comparison("net", ("cpu", "cuda:0"), 4, 0, 1.0, (), (), None, None, {}, {})
    return replace(plain, **changes)


def charts_of(*losses, tolerance=1e-3):
    # Of devices that are here: the page names them.
    curves = Curves(dict(zip(("cpu", "sim:0", "sim:1"), losses)), tolerance)
    from gpudl.compare.html import _charts

    return Report(f"<div>{_charts(curves)}</div>")


def test_charts_of_special_losses():
    nan, inf = float("nan"), float("inf")
    page = charts_of((3.0, 2.0, 1.0), (3.0, 2.0, 1.0))
    assert "same to the bit" in page.text and page.open == [] and "limit" not in page.classes
    page = charts_of((3.0, 2.0, 1.0), (3.0, 2.0 + 1e-6, 1.0))
    assert "In 2 of the steps the losses are the same to the bit" in page.text and "limit" in page.classes
    for losses in ((3.0, nan, 1.0), (3.0, 2.0, -inf), (nan, nan, nan)):
        page = charts_of((3.0, 2.0, 1.0), losses)
        assert "not finite" in page.text and "part at step" in page.text
    assert "part at step" not in charts_of((nan, nan), (nan, nan)).text
    assert "part at step 1" in charts_of((1.0,), (2.0,)).text
    page = charts_of((1.0, 0.5), (1.0, 0.4), (1.0, 0.6))
    assert "third" in page.classes and "part at step 2" in page.text


def test_names_are_text_and_no_markup():
    name = "<script>alert('&')</script>|`*"
    each = Implicit("transfer", name, f"{name}.py", 3, 2)
    found = made(name=name, devices=("cpu",), implicit={"cpu": (each,)}, no_layers=name, notes=(name,))
    page = Report(found.html())
    assert page.text.count("alert('&')</script>|`*") >= 5
    assert found.html().count("<script>") == 1  # the page's own
    text = found.markdown()
    assert "<script>" not in text.replace("\\<script\\>", "") and "\\|\\`\\*" in text


def test_comparison_without_operations_layers_or_steps():
    found = made(devices=("cpu",))
    page = Report(found.html())
    assert "✓ the devices agree" in page.text and "None on cpu in forward and backward of the batch" in page.text
    assert "Losses" not in page.text and str(found) and found.markdown()


def test_differences_without_bound():
    from gpudl.compare import OpRow

    inf = float("inf")
    away = Difference(inf, inf, inf, 0.0, inf)
    row = OpRow("Exp", "forward", "", None, "elementwise", "float32", {"cpu": away}, {"sim:0": "it | is not there"})
    found = made(devices=("cpu", "sim:0"), ops=(row,))
    assert "∞" in Report(found.html()).text and "inf" in str(found)
    assert "not compared: it \\| is not there" in found.markdown()


def test_markdown_has_the_tables_of_the_text(gpu):
    found = compared(gpu)
    text = found.markdown()
    assert text.startswith(f"# Waiting on cpu and {gpu}, a batch of 5, seed 0\n\n- Operations: all ")
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [len(table) > 3 for table in tables] == [True, True, True]
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert len(found.markdown(every=True)) > len(text)


def test_command_writes_files_that_it_checks_first(gpu, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ["compare", "LeNet5", "--batch-size", "2", "--steps", "1", "--devices", f"cpu,{gpu}"]
    assert main([*line, "--html", "new/a.html", "--md", "a.md"]) == 1  # the folder is not there
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gpudl: new/a.html: No such file") and not Path("a.md").exists()
    Path("a.html").write_text("before")
    assert main([*line, "--html", "a.html", "--md", "a.md"]) == 0
    assert "LeNet5 on cpu" in capsys.readouterr().out
    assert "✓ the devices agree" in Report(Path("a.html").read_text(encoding="utf-8")).text
    assert Path("a.md").read_text(encoding="utf-8").startswith("# LeNet5 on cpu")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.html", "a.md"]
    assert main(["compare", "Nothing", "--devices", f"cpu,{gpu}", "--html", "b.html"]) == 2
    assert not Path("b.html").exists()
