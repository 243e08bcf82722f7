"""Rows of functions that make tensors, random ones among them."""

from cases import bools, floats, ints, row

drawn = "random numbers: the generators differ"
RANDOM = {
    **dict.fromkeys(("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "uniform"), drawn),
    **dict.fromkeys(("normal", "normal.in_place", "normal.number_mean", "rand_like", "randint", "randint_like"), drawn),
    **dict.fromkeys(("randn", "randn_like"), drawn),
    **dict.fromkeys(("empty", "empty_like", "new_empty"), "PyTorch leaves there what the memory held; we zeros"),
}


def _elsewhere(file, names):
    return dict.fromkeys(names.split(), file)


for wide in (False, True):
    row("Tensor.fill_diagonal_", (5, 2), 1.5, wrap=wide, unlike={"degenerate": "an empty matrix is left as it is"})
row("Tensor.fill_diagonal_", (2, 3), 2)
row("Tensor.fill_diagonal_", (3, 3, 3), 2, unlike={"degenerate": "an empty tensor is left as it is"})
row("Tensor.fill_diagonal_", (3, 3, 2), 2)
row("Tensor.fill_diagonal_", (3,), 2)
row("detach", (2, 3))

ELSEWHERE = {
    **dict.fromkeys(("Tensor.nbytes", "Tensor.is_cuda"), "test_methods.py"),
    **_elsewhere("test_create.py", "tensor as_tensor asarray from_numpy zeros ones full arange eye empty empty_like"),
    **_elsewhere("test_create.py", "Tensor.new_empty Tensor.new_tensor scalar_tensor"),
    **_elsewhere("test_sample.py", "rand randn rand_like randn_like randint randint_like randperm Generator seed"),
    **_elsewhere("test_sample.py", "get_rng_state set_rng_state Tensor.random_ Tensor.uniform_ Tensor.normal_"),
    **_elsewhere("test_distributions.py", "normal bernoulli multinomial poisson Tensor.bernoulli Tensor.multinomial"),
    **_elsewhere("test_distributions.py", "Tensor.bernoulli_ Tensor.cauchy_ Tensor.exponential_ Tensor.geometric_"),
    **_elsewhere("test_distributions.py", "Tensor.log_normal_"),
    **_elsewhere("test_dtype_info.py", "finfo iinfo can_cast is_tensor Tensor.bfloat16 Tensor.type Tensor.get_device"),
    **_elsewhere("test_interchange.py", "from_dlpack Tensor.__dlpack__ Tensor.__dlpack_device__ Tensor.is_pinned"),
    **_elsewhere("test_interchange.py", "Tensor.__cuda_array_interface__ Tensor.pin_memory"),
    **_elsewhere("test_views.py", "Tensor.detach_ detach_copy"),
    **_elsewhere("test_methods.py", "Tensor.numpy Tensor.__array__ Tensor.cuda Tensor.__repr__ Tensor.__format__"),
    "Tensor.__hash__": "test_methods.py",
    "result_type": "test_promotion.py",
    "Tensor.backward": "../autograd/test_engine.py",
}

shape = (2, 3)
row("zeros_like", shape)
row("zeros_like", shape, dtype="int32")
row("ones_like", shape)
row("ones_like", shape, dtype="float64")
row("full_like", shape, 3)
row("full_like", shape, 2.5, dtype="float64")
row("Tensor.new_full", shape, [2], 3)
row("Tensor.new_full", shape, [2], 3.5)
row("Tensor.new_zeros", shape, 2, 1)
row("Tensor.new_zeros", shape, size=[2, 1])
row("Tensor.new_ones", shape, [2, 2], dtype="float64")
row("Tensor.fill_", shape, 2)
row("Tensor.fill_", shape, 2.5)
row("Tensor.fill_", shape, ())
row("fill", shape, 2)
row("fill", shape, ())
row("fill", shape, (2,))
row("Tensor.zero_", shape)
for source in (shape, (3,), (2, 1), ints((2, 3)), (2,)):
    row("Tensor.copy_", shape, source)
row("Tensor.copy_", shape, shape, True, note="nonblocking")


def _made(name, *args, **settings):
    """A row of a function that takes no tensor of the run."""

    def call(lib):
        kinds = {key: getattr(lib, value) if key == "dtype" else value for key, value in settings.items()}
        return getattr(lib, name)(*[lib.tensor(arg[0]) if isinstance(arg, list) else arg for arg in args], **kinds)

    row(name, call=call, note=f"{args}{settings}".replace(" ", ""))


for steps in (0, 1, 2, 5, 50, -1):
    _made("linspace", -1, 2.5, steps)
    _made("logspace", -1, 2.5, steps)
_made("linspace", 0, 10, 4, dtype="int64")
_made("linspace", 10, 0.5, 7, dtype="uint8")
_made("linspace", 0, 1, 1001, dtype="float64")
_made("linspace", [1.5], [4.0], 4)
_made("linspace", [[1.5]], [4.0], 4)
_made("linspace", 0, 1, steps=3, dtype="float16")
_made("logspace", 0, 3, 4, base=2)
_made("logspace", 0, 3, 4, dtype="int64")
_made("logspace", [1.5], 2, 4, 3.0, dtype="float64")
_made("logspace", [[1.5]], 2, 4)
for window in ("bartlett", "blackman", "hamming", "hann", "kaiser"):
    for length in (0, 1, 2, 7, 12, -1):
        _made(f"{window}_window", length)
        _made(f"{window}_window", length, False, dtype="float64")
    _made(f"{window}_window", 4, dtype="int64")
_made("hamming_window", 7, True, 0.6, 0.3)
_made("kaiser_window", 9, True, 5.0)
for args in ((3, 3), (2, 4), (4, 2, 1), (4, 4, -2), (3, 5, 9), (3, 5, -9), (0, 3), (3, 0), (-1, 2)):
    _made("tril_indices", *args)
    _made("triu_indices", *args)
_made("tril_indices", 3, 3, dtype="int32")
_made("triu_indices", 3, 3, dtype="float32")


def _powers(count, step=-1):
    """What vander gives, by pow: torch.vander writes in place what its own backward needs."""
    return lambda lib, x: x.unsqueeze(-1) ** lib.arange(count, device=x.device).flip([0] if step < 0 else [])


twinned = "the twin has no such case; the rows of integers below make this check"
powers = {"integers": twinned, "degenerate": twinned, "special_gradient": "inf - inf in the gradient of the twin's pow"}
row("vander", (4,), twin=_powers(4), unlike=powers)
row("vander", (4,), 3, twin=_powers(3), unlike=powers)
row("vander", (4,), N=5, increasing=True, twin=_powers(5, 1), unlike=powers)
for kind in ("uint8", "int32", "int64"):
    for count in (None, 0, 1, 3, -1):
        row("vander", ints((4,), dtype=kind), count)
    row("vander", ints((4,), dtype=kind), 3, increasing=True)
row("vander", bools((3,)))
row("vander", (2, 3))

for name in ("double", "float", "half", "int", "long", "short", "char", "byte", "bool"):
    row(f"Tensor.{name}", shape)
for dtype in ("float16", "float64", "int8", "uint8", "int64", "bool"):
    row("Tensor.to", shape, dtype=dtype)
row("Tensor.to", shape, call=lambda lib, x: x.to(lib.float64), note="positional")
row("Tensor.to", shape, call=lambda lib, x: x.to("cpu", lib.float64, False, True), note="all")
row("Tensor.to", shape, call=lambda lib, x: x.to("cpu"), note="device")
row("Tensor.to", shape, call=lambda lib, x: x.to(lib.float64, non_blocking=True, copy=True), note="named")
row("Tensor.to", shape, call=lambda lib, x: x.to(lib.zeros(1, dtype=lib.float64), False, True), note="likecopy")
row("Tensor.to", shape, ints((1,)), note="like")
row("Tensor.astype", shape, call=lambda lib, x: x.astype(lib.int32), twin=lambda lib, x: x.to(lib.int32))
row("Tensor.type_as", shape, ints((1,)))
row("Tensor.cpu", shape)
row("clone", shape)
row("Tensor.clone", shape)
row("Tensor.clone", shape, call=lambda lib, x: x.transpose(0, 1).clone(), note="transposed")
row("Tensor.contiguous", shape, call=lambda lib, x: x.transpose(0, 1).contiguous())
row("Tensor.is_contiguous", shape, call=lambda lib, x: (x.is_contiguous(), x.transpose(0, 1).is_contiguous()))
for op in ("numel", "dim", "ndimension", "nelement", "element_size", "tolist", "__len__"):
    row(f"Tensor.{op}", shape)
row("numel", shape)
row("Tensor.item", (1, 1))
row("Tensor.item", (2,))
for op in ("is_nonzero", "Tensor.is_nonzero"):
    row(op, (1, 1))
    row(op, ints((1,), 0, 0))
    row(op, (2,))
for op in ("is_floating_point", "is_signed"):
    row(op, shape)
    row(f"Tensor.{op}", shape)
    row(op, bools(shape))
for op in ("__bool__", "__float__", "__int__", "__index__"):
    row(f"Tensor.{op}", ())
    row(f"Tensor.{op}", (1,))
    row(f"Tensor.{op}", (2,))
row("Tensor.__iter__", shape, call=lambda lib, x: list(x))
row("Tensor.__contains__", shape, call=lambda lib, x: ((x[1, 2] in x), 99 in x))


def _below(lib, x):
    return x[tuple(lib.tril_indices(*x.shape, device=x.device))]


row("tril_indices", floats(shape), call=_below, note="read")
