"""CUDA text to a C++ translation unit: which kernels it defines, and the two things that C++ cannot say otherwise.

The text stays as it is, but for `extern __shared__ T name[];`, which becomes a pointer to the launch's dynamic shared
memory. What follows it, one line for each kernel, makes the entry points by which the driver stand-in calls them.
All positions are found in a copy of the text whose comments, strings and preprocessor lines are blanked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_QUIET = re.compile(
    r'R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"'  # a raw string
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'"  # but not the separator in 1'000
    r"|//(?:\\\n|[^\n])*"
    r"|/\*.*?\*/",
    re.S,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
_MARKS = re.compile(r"[(){};]")
_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # parentheses, three deep
_ATTRIBUTE = re.compile(
    rf"\b(?:__launch_bounds__|__cluster_dims__|__maxnreg__|__attribute__|__align__|alignas)\s*{_NESTED}"
)
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")
_NAMESPACE = re.compile(r"\bnamespace\b\s*((?:\w+(?:\s*::\s*\w+)*)?)\s*$")
_LINKAGE = re.compile(r'\bextern\s*"C"')
_LINKAGE_BLOCK = re.compile(r'\bextern\s*"C"\s*$')
_DYNAMIC = re.compile(
    r"^(?P<before>(?:\s*(?:extern|__shared__)\b){2}\s*)(?P<type>[^\[\]=]*?[\s*&>])(?P<name>\w+)\s*\[\s*\]\s*$"
)
_CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|define\b[^\n]*__global__)", re.M)
_OWN_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"(?!cupy/)', re.M)


class Kernel(NamedTuple):
    """A kernel that a text defines.

    Attributes:
        name: by which a module's user asks for it.
        expression: what C++ calls it, namespaces included.
        c_linkage: whether its name reaches the module as it is; others are asked for by name expressions.
        template: whether it is one.
    """

    name: str
    expression: str
    c_linkage: bool
    template: bool


class _Statement(NamedTuple):
    """The text from the end of the last statement to a ';' or '{', and the scopes it stands in."""

    start: int
    end: int
    mark: str
    scopes: tuple[str, ...]  # "C" for extern "C", "::name" for a namespace, "{" for every other block


def blanked(text: str) -> str:
    """The text with comments, what strings hold and preprocessor lines as spaces, every other place as it was."""
    quiet = _QUIET.sub(lambda found: _blank(found[0]), text)
    return _DIRECTIVE.sub(lambda found: _spaces(found[0]), quiet)


def kernels_in(text: str) -> list[Kernel]:
    """The kernels that the text defines outside of preprocessor lines, in its order, each name once."""
    clear = blanked(text)
    found: dict[str, Kernel] = {}
    for statement in _statements(clear):
        head = clear[statement.start : statement.end]
        if statement.mark != "{" or "__global__" not in head or "{" in statement.scopes:
            continue
        called = _CALLED.search(_ATTRIBUTE.sub(" ", head[head.index("__global__") :]))
        if called is None:
            continue
        expression = "".join(scope for scope in statement.scopes if scope.strip(":") and scope != "C")
        expression = f"{expression}::{called[1]}" if expression else called[1]
        linkage = "C" in statement.scopes or bool(_LINKAGE.search(head))
        kernel = Kernel(called[1], expression, linkage, bool(re.search(r"\btemplate\b", head)))
        found.setdefault(kernel.expression, kernel)
    return list(found.values())


def needs_preprocessor(text: str) -> bool:
    """Whether the kernels can only be told once conditions, macros and the user's own headers are resolved."""
    return bool(_CONDITION.search(text) or _OWN_INCLUDE.search(text))


def for_preprocessor(text: str) -> str:
    """The text made so that the preprocessor leaves the marks of kernels alone."""
    return f"#undef __global__\n#undef __launch_bounds__\n{text}"


def translation_unit(text: str, filename: str, entries: Sequence[str], defines: Sequence[str] = ()) -> str:
    """The C++ text that is compiled for a CUDA text.

    Args:
        text: CUDA.
        filename: what messages call it, unless it has #line directives of its own.
        entries: an expression for each kernel that gets an entry point, such as "adam<float>".
        defines: lines that go before it.
    """
    shown = filename.replace("\\", "\\\\").replace('"', '\\"')
    lines = [*defines, f'#line 1 "{shown}"', with_dynamic_shared(text), '#line 1 "entry points"']
    lines += [_visible("sim_image(void**)"), "SIM_IMAGE"]
    for index, entry in enumerate(entries):
        lines += [_visible(f"sim_entry_{index}(void**)"), _visible(f"sim_signature_{index}(char*)")]
        lines.append(f"SIM_ENTRY({index}, {entry})")
    return "\n".join(lines) + "\n"


def _visible(function: str) -> str:
    """Keep a function that is called from outside: all else that is not used is dropped before it costs time."""
    return f'extern "C" __attribute__((externally_visible)) void {function};'


def with_dynamic_shared(text: str) -> str:
    """The text with each `extern __shared__ T name[];` as a pointer to the launch's dynamic shared memory."""
    if "extern" not in text or "__shared__" not in text:
        return text
    clear = blanked(text)
    pieces, done = [], 0
    for statement in _statements(clear):
        head = clear[statement.start : statement.end]
        if statement.mark != ";" or "__shared__" not in head or "extern" not in head:
            continue
        # Alignment is the runtime's; blanks of the same length keep the positions.
        declared = _DYNAMIC.match(_ATTRIBUTE.sub(lambda found: _spaces(found[0]), head))
        if declared is None:
            continue
        kind, name = " ".join(declared["type"].split()), declared["name"]
        written = text[statement.start : statement.end]
        lead = written[: len(written) - len(written.lstrip())]
        pieces += [text[done : statement.start], lead, _pointer(kind, name, "{" in statement.scopes)]
        pieces.append("\n" * (written.count("\n") - lead.count("\n")))  # later lines keep their numbers
        done = statement.end
    return "".join([*pieces, text[done:]])


def _pointer(kind: str, name: str, in_function: bool) -> str:
    if in_function:
        return f"{kind}* {name} = ({kind}*)sim_dynamic_shared()"
    # At file scope the address is not known yet: an object that asks for it at every use.
    return (
        f"static struct {{ operator {kind}*() const {{ return ({kind}*)sim_dynamic_shared(); }} "
        f"template <class U> explicit operator U*() const {{ return (U*)sim_dynamic_shared(); }} }} {name}"
    )


def _statements(clear: str) -> Iterator[_Statement]:
    scopes: list[str] = []
    start, depth = 0, 0
    for found in _MARKS.finditer(clear):
        mark = found[0]
        if mark in "()":
            depth += 1 if mark == "(" else -1
        elif depth > 0 and "{" not in scopes:
            continue  # a brace or semicolon inside a parameter list
        else:
            yield _Statement(start, found.start(), mark, tuple(scopes))
            if mark == "{":
                scopes.append(_scope(clear[start : found.start()]))
            elif mark == "}" and scopes:
                scopes.pop()
            start, depth = found.end(), 0


def _scope(head: str) -> str:
    if _LINKAGE_BLOCK.search(head):
        return "C"
    namespace = _NAMESPACE.search(head)
    return "::" + namespace[1].replace(" ", "") if namespace else "{"


def _blank(quiet: str) -> str:
    if quiet == '"C"':
        return quiet  # of extern "C"
    return f'"{_spaces(quiet[1:-1])}"' if quiet.startswith('"') else _spaces(quiet)


def _spaces(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
