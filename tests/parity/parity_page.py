"""The page that says what is the same on all devices, and how far the rest may differ: gpudl/PARITY.md.

    PYTHONPATH=. python tests/parity/parity_page.py --write

Its numbers and names are those of gpudl/compare/families.py and tolerances.py.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from gpudl.backend.unordered import UNORDERED
from gpudl.compare.families import FAMILIES, LEVELS
from gpudl.compare.tolerances import LEFT_OUT, LOSS_LIMITS, factor_of

PAGE = Path(__file__).resolve().parents[2] / "gpudl" / "PARITY.md"
DTYPES = ("float64", "float32", "float16", "bfloat16")

HEAD = """\
# The parity contract

Made by `tests/parity/parity_page.py` from `gpudl/compare/families.py`; a test beside it keeps it true.

One seed (`gpudl.manual_seed`) gives on `cpu`, `sim` and `cuda`:

- **the same bits**: initial weights, dropout masks, whatever `gpudl.rand` and its like draw, the order of shuffled
  samples, what augmentation draws, and so the batches of a `DataLoader` over data on the host;
- **the same decisions**: integers, bools and orders. `argmax`, `argmin`, `max`, `min` and `mode` choose among equal
  elements alike, `sort`, `argsort`, `topk`, `kthvalue` and `median` give the same indices;
- **results within a published tolerance** of the exact ones, listed below by operation and dtype;
- **images augmented on a device**, as a layer or a batch there, with the same bits where pixels are moved and chosen
  (crops, flips, erasing), within the tolerance where they are computed (resizing, rotation, contrast);
- **losses within a published tolerance** of each other, which grows with the steps, where training is stable.

`gpudl.compare.tolerances.tolerance(op, dtype)` gives these numbers to programs. `tests/parity`,
`tests/ops/test_kernels.py` and `tests/ops/test_op_parity.py` show that gpudl keeps its word, and `gpudl compare` shows
it of a model of yours.

## Run to run

On one machine a program with one seed gives the same bits in every run. No kernel adds floats with atomics: blocks
leave their sums to the last of them, which adds them up in one order, and what goes to one place is sorted first.
cuBLAS has a workspace of its own for every stream, of cuBLASLt only splits with one order of summation are allowed.
What changes the bits: another GPU, driver or BLAS, another number of threads of the BLAS on the CPU, another batch
size.

`gpudl.deterministic(True)` (PyTorch's `use_deterministic_algorithms`) makes an error of every operation that is not so,
with its name, file and line; so do `Trainer(deterministic=True)` and `deterministic = true` under `[train]` of a
configuration, while they work. There is none among gpudl's own. These functions of CuPy, which an operation of yours
may call through `xp_of(x)`, are, on a GPU:

@ATOMICS

Mark what you write with `@gpudl.autograd.nondeterministic(why, instead=...)`. What was captured into a CUDA graph
before, methods of CuPy's arrays, `array[index] = values` with an index that names a place twice, and other libraries
are not looked at.
"""

LIMITS_HEAD = """\
## Tolerances

`exact` is the same operation on the same inputs in float64 on the CPU, rounded to the dtype of the result. There are
two measures, and one table for both.

**Published**: for every element, `abs(got - exact) <= limit * (1 + abs(exact))`, with the limit in the column of the
dtype. Two devices lie within twice the limit of each other. 0 means the same bits, as for every operation on integers
and bools. The limits hold for numbers of ordinary size, about 1, and for sums of up to about a thousand of them. They
are about twice what was measured, on all examples of all kernels, on the CPU and in several orders of threads on the
emulated device. A function that is made of several operations is held to the sum of their limits. Operations on half
floats compute in float32 and round the result to half.

**By `gpudl compare`**: `abs(got - exact) <= roundings * (eps * abs(exact) + response)`, with the factor in the last
column. `eps` is the distance from 1 to the next number of the dtype, and `response` is how far the exact result moves,
as a root mean square, when every input moves by up to one `eps` of itself. So it is for numbers of any size, and a sum
whose terms cancel is held to its terms, not to the little that is left of them. In half floats the factor is @HALF at
most.

@LEFT_OUT
"""

LOSSES = """\
After `n` steps of training from one seed, `abs(one - other) <= n * limit * (1 + abs(one))` for the losses of two
devices, with a limit of @LIMITS. The first steps differ by a rounding or two; then
each step moves the next, and a unit that comes to lie on the other side of a kink, as of ReLU, moves more. Twelve
models of `gpudl.models` are held to it over a hundred steps in float32, two of them with weights in float16 and
bfloat16; in float32 most stay within 1e-6. It is no promise where training itself is unstable: steps that are too long,
variances of two values, and Adam where gradients are nothing but rounding.
"""


def page() -> str:
    """The text of the page."""
    marked = [f"- {f'`xp.{each.name}` {each.when}'.rstrip()}: it {each.why}; use {each.instead}" for each in UNORDERED]
    lines = [HEAD.replace("@ATOMICS", "\n".join(_wrapped(each) for each in marked))]
    halves = f"{factor_of('products', 'float16'):g}"
    whys = {why: [f"`{name}`" for name, each in LEFT_OUT.items() if each == why] for why in LEFT_OUT.values()}
    left_out = _wrapped("It leaves out " + "; ".join(f"{', '.join(names)}: {why}" for why, names in whys.items()) + ".")
    lines += [
        LIMITS_HEAD.replace("@HALF", halves).replace("@LEFT_OUT", left_out),
        f"| operations | | {' | '.join(DTYPES)} | roundings |",
    ]
    lines.append("|---|---|" + "---|" * (len(DTYPES) + 1))
    for family in FAMILIES.values():
        levels = [("results, gradients", family.forward)]
        if family.backward != family.forward:
            levels = [("results", family.forward), ("gradients", family.backward)]
        for what, level in levels:
            numbers = (f"{LEVELS[level].limits.get(dtype, 0):g}" for dtype in DTYPES)
            lines.append(f"| {family.name} | {what} | {' | '.join(numbers)} | {LEVELS[level].factor:g} |")
    lines.append("")
    for family in FAMILIES.values():
        lines += [f"### {family.name.capitalize()}", "", _wrapped(family.why), ""]
        if family.ops:
            lines += [_wrapped(", ".join(f"`{op}`" for op in family.ops)), ""]
    limits = ", ".join(f"{limit:g} for {dtype}" for dtype, limit in LOSS_LIMITS.items())
    return "\n".join([*lines, "## Losses", "", _wrapped(LOSSES.replace("@LIMITS", limits)), ""])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, subsequent_indent="  " if text.startswith("- ") else "", break_on_hyphens=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the page, instead of printing it")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
