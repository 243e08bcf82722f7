"""The rows of a model's summary, their totals, and the table in torchinfo's layout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from gpudl.nn.module import Module
from gpudl.nn.mult_adds import tensors_in
from gpudl.nn.uninitialized import is_lazy

COLUMNS = {
    "input_size": "Input Shape",
    "output_size": "Output Shape",
    "num_params": "Param #",
    "params_percent": "Param %",
    "kernel_size": "Kernel Shape",
    "mult_adds": "Mult-Adds",
    "trainable": "Trainable",
}
OF_FORWARD = ("input_size", "output_size", "mult_adds")


class Layout(NamedTuple):
    """How the table looks; see summary."""

    col_names: tuple[str, ...]
    col_width: int
    depth: int
    row_settings: frozenset[str]
    verbose: int


class LayerInfo:
    """A row: one call of a module, or a container around modules that were called.

    Attributes:
        var_name: what its parent calls it. class_name: its class.
        module: itself. parent, children: other rows. depth: 0 for the model. depth_idx: its number at this depth.
        is_recursive: whether there was a row for this module before.
        input_size, output_size: the shape of the first Tensor that went in and came out; [] for none.
        output_bytes: of all Tensors that came out.
        mult_adds: of the module itself in this call.
    """

    def __init__(self, var_name: str, module: Module, parent: LayerInfo | None, is_recursive: bool) -> None:
        self.var_name, self.module, self.parent, self.is_recursive = var_name, module, parent, is_recursive
        self.children: list[LayerInfo] = []
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.depth_idx = 0
        self.input_size: list[int] = []
        self.output_size: list[int] = []
        self.output_bytes = self.mult_adds = 0
        if parent is not None:
            parent.children.append(self)

    def called(self, args: Any, kwargs: Any, output: Any, mult_adds: int) -> None:
        """Take in what a call was of."""
        given, results = next(tensors_in((args, kwargs)), None), list(tensors_in(output))
        self.input_size = [] if given is None else list(given.shape)
        self.output_size = list(results[0].shape) if results else []
        self.output_bytes = sum(each.numel() * each.itemsize for each in results)
        self.mult_adds = mult_adds

    @property
    def class_name(self) -> str:
        return self.module._get_name()

    @property
    def num_params(self) -> int:
        """How many numbers the parameters are, of the module and all inside."""
        return sum(parameter.numel() for parameter in self._params())

    @property
    def own_params(self) -> int:
        """Those that are in no row below."""
        below = {id(parameter) for child in self.children for parameter in child._params()}
        return sum(parameter.numel() for parameter in self._params() if id(parameter) not in below)

    @property
    def total_mult_adds(self) -> int:
        """Those of this call, and of all calls in it."""
        return self.mult_adds + sum(child.total_mult_adds for child in self.children)

    @property
    def trainable(self) -> str:
        """ "True", "False", "Partial", or "--" without parameters."""
        kinds = {parameter.requires_grad for parameter in self._params()}
        return "--" if not kinds else "Partial" if len(kinds) > 1 else str(kinds.pop())

    def _params(self) -> list[Any]:
        return [parameter for parameter in self.module.parameters() if not is_lazy(parameter)]


class ModelStatistics:
    """The rows of a summary, and their totals. Its str is the table.

    Attributes:
        summary_list: LayerInfo of each row, from the top down.
        total_params, trainable_params: numbers in parameters; what is shared counts once.
        total_mult_adds: of a forward.
        total_input, total_output_bytes, total_param_bytes: bytes of the inputs; of the outputs of layers with
            parameters, twice, for their gradients; of the parameters.
    """

    def __init__(
        self, model: Module, rows: Sequence[LayerInfo], total_input: int, has_forward: bool, layout: Layout
    ) -> None:
        self.summary_list, self.total_input = list(rows), total_input
        self._has_forward, self._layout = has_forward, layout
        counts: Counter[int] = Counter()
        for row in self.summary_list:
            counts[row.depth] += 1
            row.depth_idx = counts[row.depth]
        parameters = [parameter for parameter in model.parameters() if not is_lazy(parameter)]
        self.total_params = sum(each.numel() for each in parameters)
        self.trainable_params = sum(each.numel() for each in parameters if each.requires_grad)
        self.total_param_bytes = sum(each.numel() * each.itemsize for each in parameters)
        self.total_mult_adds = sum(row.mult_adds for row in self.summary_list)
        leaves = (row for row in self.summary_list if not row.children and row.num_params)
        self.total_output_bytes = 2 * sum(row.output_bytes for row in leaves)

    def __repr__(self) -> str:
        return f"<summary: {self.total_params:,} parameters, {self.total_mult_adds:,} mult-adds>"

    def __str__(self) -> str:
        layout = self._layout
        shown = [row for row in self.summary_list if row.depth <= layout.depth]
        names = [self._name(row) for row in shown]
        widest = max(len(name) for name in names) + 1
        width = 40 if widest <= 40 else math.ceil(widest / 5) * 5
        line = "=" * (width + len(layout.col_names) * layout.col_width)
        title = "Layer (type" + " (var_name)" * self._has("var_names") + ":depth-idx" * self._has("depth") + ")"
        lines = [line, self._row(width, title, COLUMNS), line]
        for row, name in zip(shown, names):
            lines.append(self._row(width, name, self._values(row)))
            if layout.verbose == 2:
                lines += self._parameters(row, width)
        lines += [
            line,
            f"Total params: {self.total_params:,}",
            f"Trainable params: {self.trainable_params:,}",
            f"Non-trainable params: {self.total_params - self.trainable_params:,}",
        ]
        if self._has_forward:
            sizes = [self.total_input, self.total_output_bytes, self.total_param_bytes]
            whats = ["Input size", "Forward/backward pass size", "Params size", "Estimated Total Size"]
            lines += [f"Total mult-adds ({_in_units(self.total_mult_adds)}", line]
            lines += [f"{what} (MB): {size / 1e6:.2f}" for what, size in zip(whats, [*sizes, sum(sizes)])]
        return "\n".join([*lines, line])

    def _has(self, setting: str) -> bool:
        return setting in self._layout.row_settings

    def _name(self, row: LayerInfo) -> str:
        name = row.class_name + (f" ({row.var_name})" if self._has("var_names") else "")
        number = f": {row.depth}-{row.depth_idx}" if self._has("depth") and row.depth else ""
        return self._branch(row.depth) + name + number

    def _branch(self, depth: int) -> str:
        bar, first, last = ("|    ", "+ ", "+ ") if self._has("ascii_only") else ("│    ", "├─", "└─")
        return "" if not depth else first if depth == 1 else bar * (depth - 1) + last

    def _row(self, width: int, name: str, values: dict[str, str]) -> str:
        columns = (f"{values.get(column, ''):<{self._layout.col_width}}" for column in self._layout.col_names)
        return " ".join([f"{name:<{width}}", *columns]).rstrip()

    def _values(self, row: LayerInfo) -> dict[str, str]:
        deepest = row.depth == self._layout.depth
        count = row.num_params if deepest or not row.children else row.own_params
        mult_adds = row.total_mult_adds if deepest else row.mult_adds
        params, percent = f"{count:,}" if count else "--", "     --"
        if row.is_recursive and row.num_params:
            params = percent = "(recursive)"
        elif count:
            params = f"({params})" if row.trainable == "False" else params
            percent = f"{count / self.total_params:>7.2%}"
        kernel = getattr(row.module, "kernel_size", None)
        return {
            "input_size": str(row.input_size or "--"),
            "output_size": str(row.output_size or "--"),
            "num_params": params,
            "params_percent": percent,
            "kernel_size": "--" if kernel is None else str(list(kernel) if isinstance(kernel, tuple) else kernel),
            "mult_adds": f"{mult_adds:,}" if mult_adds else "--",
            "trainable": row.trainable,
        }

    def _parameters(self, row: LayerInfo, width: int) -> list[str]:
        """A row for each parameter of a module itself."""
        own = {name: each for name, each in row.module._parameters.items() if each is not None and not is_lazy(each)}
        lines = []
        for place, (name, each) in enumerate(own.items(), 1):
            mark = "└─" if place == len(own) else "├─"
            values = {"kernel_size": str(list(each.shape)), "num_params": f"{mark}{each.numel():,}"}
            lines.append(self._row(width, self._branch(row.depth + 1) + name, values))
        return lines


def _in_units(count: int) -> str:
    """As torchinfo: in units of millions, billions or trillions."""
    unit, size = next((pair for pair in (("T", 1e12), ("G", 1e9)) if count >= pair[1]), ("M", 1e6))
    value = count / size
    return f"{unit}): {value:,.0f}" if value.is_integer() else f"{unit}): {value:,.2f}"
