"""A fused op is one name in four places, and its file is always laid out alike; public names are documented.

A room is a file of gpudl/ops with kernels. Top to bottom it holds the docstring with a source; for each op
<op>_forward and its optimized bodies, then <op>_backward likewise; the Primitives; the public functions.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import gpudl
import gpudl.nn.functional

ROOT = Path(__file__).resolve().parents[1]
OPS = ROOT / "gpudl" / "ops"

# Kernel text that several rooms join to their own.
_MATH = (
    "attention attention_plain attention_tensor columns norms numbers packs philox planes recurrent "
    "reduce segments sets step sums tiles windows "
)
_CUDA = (
    "attention attention_keys attention_mask attention_queries elementwise_loss map row_norm set_norm "
    "set_norm_backward "
)
SHARED_TEXT = {f"math/{name}.cuh" for name in _MATH.split()} | {f"cuda/{name}.cu" for name in _CUDA.split()}
# Families, with several public functions to a kernel: no rooms, but their kernels are named alike.
FAMILIES = {
    "adaptive_max", "adaptive_pool", "bags", "choices", "cumulative", "diagonal", "elementwise", "extreme", "factors",
    "grid_sample", "margins", "matrix_norms", "norm", "one_hot", "pool_places", "prod", "recurrence", "reduce",
    "resample", "soft_cross_entropy", "unfold", "variance",
}  # fmt: skip
SUFFIXES = {"math": ".cuh", "cuda": ".cu", "cpu": ".cpp"}

SECTIONS = ("Args", "Returns", "Raises", "Gradient", "Kernel", "Source")
YEAR = re.compile(r"\b(19|20)\d\d\b(?!\.\d)")  # but not the first half of an arXiv number
WINGS = [
    "amp", "autograd", "compare", "data", "data.transforms", "func", "keras", "keras.callbacks", "keras.layers",
    "keras.losses", "keras.metrics", "keras.optimizers", "keras.utils", "linalg", "models", "nn", "nn.functional",
    "nn.init", "nn.utils", "nn.utils.parametrizations", "nn.utils.parametrize", "nn.utils.rnn", "optim",
    "optim.lr_scheduler", "optim.swa_utils", "random", "sim", "special", "train", "train.callbacks", "train.metrics",
    "train.report",
]  # fmt: skip
DOCUMENTED = ("", *(f".{wing}" for wing in WINGS))


class Part(NamedTuple):
    """A top-level definition of a room: a kernel, a body (under its kernel's name), class, function or helper."""

    kind: str
    name: str
    node: Any


def parts_of(tree: ast.Module) -> list[Part]:
    return [_part(node) for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]


def _part(node: ast.FunctionDef | ast.ClassDef) -> Part:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Name) and mark.id == "kernel":
            return Part("kernel", node.name, node)
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in ("cpu", "cuda"):
            return Part("body", getattr(mark.func.value, "id", "?"), node)
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    return Part("helper" if node.name.startswith("_") else kind, node.name, node)


def ops_of(parts: list[Part]) -> list[str]:
    return [
        part.name.removesuffix("_forward") for part in parts if part.kind == "kernel" and part.name.endswith("_forward")
    ]


def faults(name: str, text: str) -> list[str]:
    """What is wrong with the room gpudl/ops/<name>.py, as "line: what"."""
    tree = ast.parse(text)
    parts = parts_of(tree)
    ops = ops_of(parts)
    found = [] if YEAR.search(ast.get_docstring(tree) or "") else [(1, "the docstring names no source with its year")]
    if name not in ops:
        found.append((1, f"no kernel {name}_forward, but the file is named {name}"))
    found += [(part.node.lineno, what) for part in parts for what in _naming_faults(part)]

    above = Part("", "", None)
    for part in parts:
        if part.kind == "body" and part.name != above.name:
            found.append((part.node.lineno, f"{part.node.name} must stand right below {part.name}"))
        above = part
    named = [part for part in parts if not (part.kind == "kernel" and part.name.startswith("check_"))]
    for kind, wanted in (
        ("kernel", [f"{op}_{way}" for op in ops for way in ("forward", "backward")]),
        ("class", ["".join(map(str.capitalize, op.split("_"))) for op in ops]),
        ("function", ops),
    ):
        have = [part.name for part in named if part.kind == kind]
        if have != wanted:
            found.append((1, f"{kind}: {', '.join(have) or 'none'}; expected, in this order, {', '.join(wanted)}"))
    stage = {"kernel": 0, "body": 0, "class": 1, "function": 2}
    stages = [stage[part.kind] for part in parts if part.kind in stage]
    if stages != sorted(stages):
        found.append((1, "kernels come first, then the Primitives, then the public functions"))

    helpers = {part.name: part.node for part in parts if part.kind == "helper"}
    for part in parts:
        if part.kind == "function":
            found += [(part.node.lineno, f"{part.name}: {what}") for what in _docstring_faults(part.node, helpers)]
    return [f"{line}: {what}" for line, what in sorted(found)]


def _naming_faults(part: Part) -> Iterator[str]:
    if part.kind == "kernel":
        if not part.name.endswith(("_forward", "_backward", "_")) and not part.name.startswith("check_"):
            yield f"{part.name}: a kernel is: <op>_forward, <op>_backward, check_... or, changing an argument, ..._"
        lines = (ast.get_docstring(part.node) or "").splitlines()
        if len(lines) != 1:
            yield f"{part.name}: a kernel has a docstring of one line"


def _docstring_faults(function: ast.FunctionDef, helpers: dict[str, Any]) -> Iterator[str]:
    text = ast.get_docstring(function) or ""
    sections = sections_of(text)
    needed = {"Args", "Returns", "Gradient", "Source"} | ({"Raises"} if _raises(function, helpers, set()) else set())
    for section in SECTIONS:
        if section in needed and not sections.get(section):
            yield f"the docstring has no {section}:"
    named = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    for arg in named if sections.get("Args") and not sections["Args"].startswith("as in ") else []:
        if not re.search(rf"^(.*, )?{arg.arg}(, .*)?:", sections["Args"], re.MULTILINE):
            yield f"Args: does not name {arg.arg}"
    if sections.get("Source") and not YEAR.search(sections["Source"]):
        yield "Source: has no year"
    for path in sorted((ROOT / "kernels").glob(f"*/{function.name}.*")):
        if path.relative_to(ROOT).as_posix() not in sections.get("Kernel", ""):
            yield f"Kernel: does not name {path.relative_to(ROOT)}"


def sections_of(docstring: str) -> dict[str, str]:
    """Section -> its text, without the indentation."""
    pieces = re.split(rf"^({'|'.join(SECTIONS)}):", docstring, flags=re.MULTILINE)
    return {head: inspect.cleandoc("\n" + body).strip() for head, body in zip(pieces[1::2], pieces[2::2])}


def _raises(function: ast.AST, helpers: dict[str, Any], seen: set[str]) -> bool:
    """Whether a function, or a helper of its file that it uses, has a raise statement."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Name) and node.id in helpers and node.id not in seen:
            seen.add(node.id)
            if _raises(helpers[node.id], helpers, seen):
                return True
    return False


def files_with_kernels(folder: Path) -> dict[Path, list[Part]]:
    every = {path: parts_of(ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(folder.rglob("*.py"))}
    return {path: parts for path, parts in every.items() if any(part.kind == "kernel" for part in parts)}


def rooms() -> dict[str, list[str]]:
    """Room -> its ops. A file with nothing but helpers of rooms, add_..._ and check_..., is none, nor is a family."""
    return {
        path.stem: ops_of(parts)
        for path, parts in files_with_kernels(OPS).items()
        if not _is_toolbox(parts) and path.stem not in FAMILIES
    }


def _is_toolbox(parts: list[Part]) -> bool:
    names = [part.name for part in parts if part.kind == "kernel"]
    return all(name.endswith("_") or name.startswith("check_") for name in names)


def test_rooms_are_laid_out_alike() -> None:
    found = [
        f"gpudl/ops/{room}.py:{fault}"
        for room in rooms()
        for fault in faults(room, (OPS / f"{room}.py").read_text(encoding="utf-8"))
    ]
    assert rooms() and not found, "\n" + "\n".join(found)


def test_kernels_of_every_wing_are_named_and_documented_alike() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{part.node.lineno}: {what}"
        for path, parts in files_with_kernels(ROOT / "gpudl").items()
        for part in parts
        for what in _naming_faults(part)
    ]
    assert not found, "\n" + "\n".join(found)


def test_every_op_is_exported() -> None:
    for room, ops in rooms().items():
        module = importlib.import_module(f"gpudl.ops.{room}")
        for op in ops:
            places = [vars(gpudl).get(op), vars(gpudl.nn.functional).get(op)]
            assert getattr(module, op) in places, f"{op} is exported neither by gpudl nor by gpudl.nn.functional"


def test_every_op_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "ops"))
    rows = {row.op.rpartition(".")[2] for row in importlib.import_module("cases").ROWS.values()}
    for ops in rooms().values():
        for op in ops:
            own = ROOT / "tests" / "ops" / f"test_{op}.py"
            assert op in rows or own.is_file(), f"{op} has no row in the op table, and there is no tests/ops/{own.name}"


def test_kernel_text_belongs_to_a_room() -> None:
    owners = {path.stem for path in files_with_kernels(ROOT / "gpudl")} | {op for ops in rooms().values() for op in ops}
    for path in sorted((ROOT / "kernels").rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(ROOT / "kernels").as_posix()
        assert SUFFIXES.get(name.partition("/")[0]) == path.suffix, (
            f"kernels/{name}: expected math/*.cuh, cuda/*.cu, cpu/*.cpp"
        )
        assert name in SHARED_TEXT or any(path.stem == one or path.stem.startswith(f"{one}_") for one in owners), (
            f"kernels/{name}: {path.stem} is no op or file with kernels, and does not begin with one's name and _"
        )
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'^\s*#\s*include\s*"', text, re.MULTILINE), (
            f"kernels/{name}: texts are joined, not included"
        )
        assert text.endswith("\n"), f"kernels/{name}: the last line must end, for what is joined to it"
    assert all((ROOT / "kernels" / name).is_file() for name in SHARED_TEXT)


@pytest.mark.parametrize("suffix", DOCUMENTED)
def test_public_names_have_docstrings(suffix: str) -> None:
    module = importlib.import_module(f"gpudl{suffix}")
    found = [name for name in _undocumented(module) if not name.startswith("_")]
    assert module.__doc__ and not found, f"{module.__name__}: no docstring: {', '.join(found) or 'its own'}"


def _undocumented(module: ModuleType) -> Iterator[str]:
    for name in getattr(module, "__all__", vars(module)):
        value = getattr(module, name)
        if name.startswith("_") or not (inspect.isclass(value) or callable(value)):
            continue
        if getattr(value, "__module__", "").split(".")[0] != "gpudl":
            continue
        if not value.__doc__:
            yield name
        for key, member in vars(value).items() if inspect.isclass(value) else ():
            is_code = inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod))
            documented = inspect.getdoc(getattr(value, key)) or re.search(
                rf"^ +(.*, )?{key}(, .*)?:", value.__doc__ or "", re.M
            )
            if is_code and not key.startswith("_") and not documented:
                yield f"{name}.{key}"


ROOM = '''
"""Square. Euclid, in the edition of 1956."""
@kernel
def square_forward(x):
    """y = x x."""
@square_forward.cpu("float32")
def square_forward_cpu(x): ...
@square_forward.cuda("float32")
def square_forward_cuda(x): ...
@kernel
def square_backward(dy, x):
    """dx = 2 x dy."""
def _check(x):
    raise ValueError(x)
class Square(Primitive): ...
def square(input):
    """The square.

    Args:
        input: any shape.
    Returns: the input's shape.
    Raises: ValueError always.
    Gradient: 2 input.
    Source: Euclid, Book II, in the edition of 1956.
    """
    _check(input)
'''.strip()


def test_room_in_order_has_no_faults() -> None:
    assert faults("square", ROOM) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('edition of 1956."""\n@', 'book 1956.12345."""\n@', "1: the docstring names no source"),
        ("square_", "cube_", "no kernel square_forward"),
        ("def square_backward", "def square_gradient", "is: <op>_forward"),
        ('    """y = x x."""\n', "    ...\n", "docstring of one line"),
        ("class Square", "class Quadrat", "expected, in this order, Square"),
        ("def square(", "def squared(", "expected, in this order, square"),
        ("def _check", "@square_forward.cuda('float64')\ndef late(x): ...\ndef _check", "late must stand right below"),
        ("def _check", "def square_too(x): ...\ndef _check", "function: square_too, square"),
        ('"""Square. ', '"""Square. 1956"""\nclass Square: ...\n"""', "kernels come first"),
        ("    Returns: the input's shape.\n", "", "no Returns:"),
        ("    Raises: ValueError always.\n", "", "no Raises:"),
        ("    Gradient: 2 input.\n", "", "no Gradient:"),
        ("        input: any", "        other: any", "does not name input"),
        ("Book II, in the edition of 1956", "Book II", "Source: has no year"),
    ],
)
def test_fault_of_a_room_is_found(old: str, new: str, what: str) -> None:
    assert old in ROOM
    assert any(what in fault for fault in faults("square", ROOM.replace(old, new)))
