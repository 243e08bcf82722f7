"""The operations that `benchmarks.ops` measures: what to call, on tensors of which shapes.

A case is a function of a library and a maker of tensors (see Make) that gives a function to time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Program = Callable[[], Any]
Case = Callable[[Any, "Make"], Program]


class Make:
    """Makes tensors, the same for every library.

    Attributes:
        leaves: those that want gradients.
    """

    def __init__(self, lib: Any):
        import numpy as np

        self.lib, self.leaves = lib, []
        self.generator = np.random.default_rng(0)

    def __call__(self, *shape: int, low: float | None = None, high: float = 1.0, grad: bool = True) -> Any:
        """float32; from the normal distribution, or evenly between low and high."""
        drawn = self.generator.standard_normal(shape) if low is None else self.generator.uniform(low, high, shape)
        tensor = self.lib.from_numpy(drawn.astype("float32"))
        if grad:
            self.leaves.append(tensor.requires_grad_())
        return tensor

    def ints(self, *shape: int, high: int) -> Any:
        """int64, 0 to high - 1."""
        return self.lib.from_numpy(self.generator.integers(0, high, shape))

    def bools(self, *shape: int) -> Any:
        """True for half of the elements."""
        return self.lib.from_numpy(self.generator.random(shape) < 0.5)


CASES: dict[str, Case] = {}
SIDE = (1024, 1024)


def add(name: str, path: str, *shapes: Sequence[int], low: Any = None, high: float = 1.0, **named: Any) -> None:
    """A case that calls the function at a dotted path on new tensors of these shapes."""

    def case(lib: Any, make: Make) -> Program:
        function = lib
        for part in path.split("."):
            function = getattr(function, part)
        tensors = [make(*shape, low=low, high=high) for shape in shapes]
        return lambda: function(*tensors, **named)

    CASES[name] = case


def case(name: str) -> Callable[[Case], Case]:
    """A case of its own."""

    def kept(function: Case) -> Case:
        CASES[name] = function
        return function

    return kept


for op in ("abs", "cos", "erf", "exp", "expm1", "floor", "neg", "relu", "round", "sigmoid", "sin", "tanh"):
    add(op, op, SIDE)
for op in ("lgamma", "log", "log1p", "reciprocal", "rsqrt", "sqrt", "digamma"):
    add(op, op, SIDE, low=0.1, high=3.0)
for op in ("asin", "atanh", "erfinv"):
    add(op, op, SIDE, low=-0.9, high=0.9)
for op in ("add", "sub", "mul", "div", "maximum", "atan2", "hypot", "fmod", "remainder", "logaddexp"):
    add(op, op, SIDE, SIDE)
add("pow", "pow", SIDE, SIDE, low=0.1, high=2.0)
add("add, a row to all", "add", SIDE, SIDE[1:])
add("lerp", "lerp", SIDE, SIDE, SIDE)
add("addcmul", "addcmul", SIDE, SIDE, SIDE)
add("clamp", "clamp", SIDE, min=-0.5, max=0.5)

for op in ("sum", "mean", "var", "std", "amax", "prod", "logsumexp", "cumsum", "argmax", "norm"):
    add(f"{op}, rows", op, (4096, 1024), dim=1)
for op in ("sum", "mean", "var", "amax", "cumsum"):
    add(f"{op}, columns", op, (4096, 1024), dim=0)
add("sum, all", "sum", (4096, 1024))
for op in ("median", "sort"):
    add(f"{op}, rows", op, SIDE, dim=1)
add("topk, rows", "topk", SIDE, k=10, dim=1)
add("cdist", "cdist", (512, 64), (512, 64))

add("matmul", "matmul", (512, 512), (512, 512))
add("bmm", "bmm", (64, 128, 128), (64, 128, 128))
add("mv", "mv", (2048, 2048), (2048,))
add("addmm", "addmm", (512,), (256, 512), (512, 512))
add("outer", "outer", (1024,), (1024,))
add("linalg.inv", "linalg.inv", (16, 32, 32))
add("linalg.svd", "linalg.svdvals", (8, 64, 64))
add("linalg.solve", "linalg.solve", (16, 64, 64), (16, 64, 8))


@case("einsum, attention scores")
def _einsum(lib: Any, make: Make) -> Program:
    q, k = make(4, 8, 128, 64), make(4, 8, 128, 64)
    return lambda: lib.einsum("bhqd,bhkd->bhqk", q, k)


@case("cat")
def _cat(lib: Any, make: Make) -> Program:
    parts = [make(256, 1024) for _ in range(4)]
    return lambda: lib.cat(parts)


@case("transpose and copy")
def _transpose(lib: Any, make: Make) -> Program:
    x = make(*SIDE)
    return lambda: x.transpose(0, 1).contiguous()


@case("slice")
def _slice(lib: Any, make: Make) -> Program:
    x = make(*SIDE)
    return lambda: x[128:512, 10:1000:2]


@case("rows by index")
def _rows(lib: Any, make: Make) -> Program:
    x, index = make(10000, 128), make.ints(4096, high=10000)
    return lambda: x[index]


@case("gather")
def _gather(lib: Any, make: Make) -> Program:
    x, index = make(*SIDE), make.ints(*SIDE, high=1024)
    return lambda: lib.gather(x, 1, index)


@case("scatter_add")
def _scatter_add(lib: Any, make: Make) -> Program:
    x, index, source = make(*SIDE), make.ints(*SIDE, high=1024), make(*SIDE)
    return lambda: lib.scatter_add(x, 1, index, source)


@case("index_add")
def _index_add(lib: Any, make: Make) -> Program:
    x, index, source = make(10000, 128), make.ints(4096, high=10000), make(4096, 128)
    return lambda: lib.index_add(x, 0, index, source)


@case("where")
def _where(lib: Any, make: Make) -> Program:
    mask, x, y = make.bools(*SIDE), make(*SIDE), make(*SIDE)
    return lambda: lib.where(mask, x, y)


@case("masked_fill")
def _masked_fill(lib: Any, make: Make) -> Program:
    mask, x = make.bools(*SIDE), make(*SIDE)
    return lambda: x.masked_fill(mask, 0.0)


@case("masked_select")
def _masked_select(lib: Any, make: Make) -> Program:
    mask, x = make.bools(*SIDE), make(*SIDE)
    return lambda: x[mask]


F = "nn.functional."
for op in ("elu", "gelu", "silu", "mish", "softplus", "leaky_relu", "hardswish", "logsigmoid", "glu"):
    add(op, F + op, (4, *SIDE) if op == "gelu" else SIDE)
add("gelu, tanh", F + "gelu", (4, *SIDE), approximate="tanh")
add("softmax", F + "softmax", (4096, 1000), dim=-1)
add("log_softmax", F + "log_softmax", (4096, 1000), dim=-1)
for op in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
    add(op, F + op, SIDE, SIDE)


@case("cross_entropy")
def _cross_entropy(lib: Any, make: Make) -> Program:
    x, target = make(4096, 1000), make.ints(4096, high=1000)
    return lambda: lib.nn.functional.cross_entropy(x, target)


@case("nll_loss")
def _nll_loss(lib: Any, make: Make) -> Program:
    x, target = make(4096, 1000), make.ints(4096, high=1000)
    return lambda: lib.nn.functional.nll_loss(x, target)


@case("binary_cross_entropy_with_logits")
def _bce(lib: Any, make: Make) -> Program:
    x, target = make(*SIDE), make(*SIDE, low=0.0, grad=False)
    return lambda: lib.nn.functional.binary_cross_entropy_with_logits(x, target)


@case("ctc_loss")
def _ctc_loss(lib: Any, make: Make) -> Program:
    logs, target = make(100, 32, 30), make.ints(32, 20, high=29) + 1
    lengths, counts = lib.full((32,), 100), lib.full((32,), 20)
    functional = lib.nn.functional
    return lambda: functional.ctc_loss(functional.log_softmax(logs, -1), target, lengths, counts)


def conv(name: str, op: str, x: Sequence[int], w: Sequence[int], **named: Any) -> None:
    """A convolution without bias."""
    add(name, F + op, x, w, **named)


conv("conv2d, 64 to 64, 3x3", "conv2d", (32, 64, 32, 32), (64, 64, 3, 3), padding=1)
conv("conv2d, 3 to 64, 7x7, stride 2", "conv2d", (8, 3, 112, 112), (64, 3, 7, 7), padding=3, stride=2)
conv("conv2d, 64 to 128, 3x3, stride 2", "conv2d", (16, 64, 32, 32), (128, 64, 3, 3), padding=1, stride=2)
conv("conv2d, 1x1", "conv2d", (16, 128, 28, 28), (128, 128, 1, 1))
conv("conv2d, depthwise 3x3", "conv2d", (16, 64, 32, 32), (64, 1, 3, 3), padding=1, groups=64)
conv("conv2d, 1 to 6, 5x5", "conv2d", (64, 1, 28, 28), (6, 1, 5, 5))
conv("conv1d, k 5", "conv1d", (32, 64, 256), (64, 64, 5), padding=2)
conv("conv3d", "conv3d", (2, 16, 16, 16, 16), (16, 16, 3, 3, 3), padding=1)
conv("conv_transpose2d, 4x4, stride 2", "conv_transpose2d", (16, 64, 16, 16), (64, 32, 4, 4), padding=1, stride=2)
add("max_pool2d, 2x2", F + "max_pool2d", (32, 64, 32, 32), kernel_size=2)
add("max_pool2d, 3x3, stride 2", F + "max_pool2d", (32, 64, 32, 32), kernel_size=3, stride=2, padding=1)
add("avg_pool2d, 2x2", F + "avg_pool2d", (32, 64, 32, 32), kernel_size=2)
add("adaptive_avg_pool2d, to 1", F + "adaptive_avg_pool2d", (32, 64, 32, 32), output_size=1)
add("unfold", F + "unfold", (8, 16, 32, 32), kernel_size=3, padding=1)


@case("layer_norm")
def _layer_norm(lib: Any, make: Make) -> Program:
    x, weight, bias = make(4096, 1024), make(1024), make(1024)
    return lambda: lib.nn.functional.layer_norm(x, (1024,), weight, bias)


@case("rms_norm")
def _rms_norm(lib: Any, make: Make) -> Program:
    x, weight = make(4096, 1024), make(1024)
    return lambda: lib.nn.functional.rms_norm(x, (1024,), weight)


@case("batch_norm, training")
def _batch_norm(lib: Any, make: Make) -> Program:
    x, weight, bias = make(32, 64, 32, 32), make(64), make(64)
    mean, var = make(64, grad=False), make(64, low=0.5, grad=False)
    return lambda: lib.nn.functional.batch_norm(x, mean, var, weight, bias, training=True)


@case("group_norm")
def _group_norm(lib: Any, make: Make) -> Program:
    x, weight, bias = make(32, 64, 32, 32), make(64), make(64)
    return lambda: lib.nn.functional.group_norm(x, 8, weight, bias)


@case("attention, causal")
def _attention(lib: Any, make: Make) -> Program:
    q, k, v = (make(4, 8, 256, 64) for _ in range(3))
    return lambda: lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


@case("embedding")
def _embedding(lib: Any, make: Make) -> Program:
    table, index = make(10000, 256), make.ints(8192, high=10000)
    return lambda: lib.nn.functional.embedding(index, table)


@case("dropout")
def _dropout(lib: Any, make: Make) -> Program:
    x = make(*SIDE)
    return lambda: lib.nn.functional.dropout(x, 0.5)


add("cosine_similarity", F + "cosine_similarity", (4096, 256), (4096, 256))
add("normalize", F + "normalize", (4096, 256))
add("linear", F + "linear", (256, 512), (512, 512), (512,))
add("pad, reflect", F + "pad", (8, 16, 64, 64), pad=(2, 2, 2, 2), mode="reflect")
add("interpolate, bilinear", F + "interpolate", (8, 16, 64, 64), scale_factor=2, mode="bilinear")
add("interpolate, nearest", F + "interpolate", (8, 16, 64, 64), scale_factor=2)
add("pixel_shuffle", F + "pixel_shuffle", (8, 64, 32, 32), upscale_factor=2)


@case("grid_sample")
def _grid_sample(lib: Any, make: Make) -> Program:
    x, grid = make(4, 16, 64, 64), make(4, 64, 64, 2, low=-1.0)
    return lambda: lib.nn.functional.grid_sample(x, grid, align_corners=False)
