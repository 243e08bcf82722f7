"""Rows of products, variance, norms, medians, quantiles, histograms, distances and covariance."""

from cases import bools, floats, ints, row

shape, distinct = (2, 3, 4), floats((2, 3, 4), distinct=True)

UNLIKE = {
    "mode float16": "torch does not sort stably: of equal elements in a long line it names any place, we the last",
    "mode int64": "as for float16",
    "mode uint8": "as for float16",
    "mode bool": "as for float16",
    "histc float16": "torch counts the bin in half precision, which may name a neighbor; we in float32",
    "logcumsumexp float16": "torch takes the gradient through logarithms in half precision, which gives 0 or 1 digit",
    "logcumsumexp float32": "likewise with 3 digits; test_cumulative.py compares ours with torch's in float64",
}
SLACK = {
    "cdist": 20.0,  # torch's matrix product in float32 loses digits where distances are short; ours is in float64
    "cov": 10.0,  # gradients of the weights are differences of nearly equal sums
    "histogram": 10.0,  # torch adds the weights up in float32
    "logcumsumexp": 10.0,
}

# torch divides by the factors only if none in the whole tensor is 0, which tells beside an inf: no 0 among these.
factors = (float("nan"), float("inf"), -float("inf"), 1.0, -1.0, 0.5, -2.0, 3.0)
for lib_op in ("prod", "Tensor.prod"):
    row(lib_op, shape)
    row(lib_op, shape, dim=1, specials=factors)
    row(lib_op, shape, dim=-1, keepdim=True, specials=factors)
row("prod", (), dim=0)
row("prod", ())
row("prod", shape, dim=1, dtype="float64", specials=factors)
row("prod", bools(shape), dim=1)
row("prod", shape, dim=3)
row("prod", shape, axis=1, keepdims=True, twin=lambda lib, x: lib.prod(x, 1, True), specials=factors)

for op in ("nansum", "nanmean"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, shape)
        row(lib_op, shape, dim=1)
        row(lib_op, shape, dim=[0, -1], keepdim=True)
    row(op, (), dim=0)
    row(op, shape, dim=3)
    row(op, shape, dim=1, dtype="float64")

for lib_op in ("logsumexp", "Tensor.logsumexp"):
    row(lib_op, shape, dim=1)
    row(lib_op, shape, dim=[0, -1])
    row(lib_op, shape, dim=-1, keepdim=True)
row("logsumexp", (), dim=0)
row("logsumexp", floats((3, 4), low=-300, high=300), dim=1)
row("logsumexp", shape, dim=3)
for lib_op in ("count_nonzero", "Tensor.count_nonzero"):
    row(lib_op, shape)
    row(lib_op, ints(shape), dim=1)
    row(lib_op, bools(shape), dim=[0, 2])
row("count_nonzero", shape, dim=3)
for lib_op in ("trace", "Tensor.trace"):
    row(lib_op, (3, 3))
    row(lib_op, (3, 5))
    row(lib_op, (5, 3))
row("trace", shape)
row("trace", (3,))

equal = {
    "expanded": "whether equal numbers have a variance of exactly 0 is a matter of the order in which they are added"
}
count = "torch's backward takes the number of elements for 1 where no dim is listed"
nothing = dict.fromkeys(("gradient", "layout", "degenerate", "second"), count)
for op in ("var", "std"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, shape)
        row(lib_op, shape, dim=1)
        row(lib_op, shape, dim=[0, -1], keepdim=True)
        row(lib_op, shape, unbiased=False)
        row(lib_op, shape, False, note="positional")
    row(op, shape, 1, False, True)
    row(op, shape, dim=1, correction=0)
    row(op, shape, dim=1, correction=2.5)
    row(op, shape, dim=1, correction=3)
    row(op, shape, dim=1, correction=5)
    row(op, shape, correction=30)
    row(op, (2, 1), dim=1)
    row(op, (1,))
    row(op, ())
    row(op, (), dim=0, correction=0, unlike={"second": "at a deviation of 0 torch gives nan; we 0, as for the first"})
    row(op, shape, dim=[], unlike=nothing)
    row(op, shape, dim=3)
    row(op, (3000,), note="long", unlike=equal)
inf = {"special": "torch updates a mean element by element, and an inf makes it nan; ours is that of mean"}
for op in ("var_mean", "std_mean"):
    row(op, shape, unlike=inf)
    row(op, shape, dim=1, unlike=inf)
    row(op, shape, dim=[0, -1], keepdim=True, unlike=inf)
    row(op, shape, False, note="positional", unlike=inf)
    row(op, shape, dim=1, correction=0, unlike=inf)
    row(op, (2, 1), dim=1)
    row(op, shape, dim=1, call=lambda lib, x, op=op: getattr(lib, op)(x, 1)[1], note="mean", unlike=inf)
    row(op, shape, dim=1, call=lambda lib, x, op=op: getattr(lib, op)(x, 1)[0], note="first", unlike=inf)

apart, uneven = floats(shape, avoid=(0,)), floats(shape, low=-2.1, high=1.7, avoid=(0,), distinct=True)
for lib_op in ("norm", "Tensor.norm"):
    row(lib_op, apart)
    row(lib_op, apart, 2, 1)
    row(lib_op, apart, p="fro", dim=[0, 1], keepdim=True)
for p in (0, 0.5, 1, 1.5, 2, 3, float("inf"), -float("inf"), -1):
    row("norm", uneven, p=p)
    row("norm", uneven, p=p, dim=1)
row("norm", apart, p=2, dim=1, keepdim=True)
row("norm", apart, p=1, dim=[0, 2])
row("norm", apart, p=None)
row("norm", apart, dim=1, dtype="float64")
row("norm", ())
row("norm", apart, p=2, dim=3)
kink = {"gradcheck": "a kink", "special": "0 * inf", "second": "torch gives nan for p = 2, else 0, as we do for all"}
for p in (0, 0.5, 1, 1.5, 2, 3, float("inf")):
    row("norm", (2, 3), call=lambda lib, x, p=p: lib.norm(x * 0, p), note=f"atzero{p}", unlike=kink)
for lib_op in ("dist", "Tensor.dist"):
    row(lib_op, (3, 4), (3, 4))
    row(lib_op, (3, 4), (4,), p=1)
row("dist", (3, 4), (3, 1), p=float("inf"))
row("dist", (3, 4), (3, 4), p=3)
scaled = {"special_gradient": "beside an inf or a nan both give nan, at different elements of the slice"}
for lib_op in ("renorm", "Tensor.renorm", "Tensor.renorm_"):
    row(lib_op, apart, p=2, dim=1, maxnorm=1.0, unlike=scaled)
    row(lib_op, apart, p=1, dim=0, maxnorm=5.0, unlike=scaled)
row("renorm", apart, 3, -1, 0.5, unlike=scaled)
row("renorm", apart, 2, 1, -1.0)
row("renorm", apart, 0, 1, 1.0)
row("renorm", (3,), 2, 0, 1.0)

for op in ("median", "nanmedian"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct)
        row(lib_op, distinct, 1)
        row(lib_op, distinct, dim=-1, keepdim=True)
    row(op, ())
    row(op, (), dim=0)
    row(op, ints((4, 9), 0, 2), dim=1)
    row(op, distinct, dim=3)
    row(op, (2, 3), call=lambda lib, x, op=op: getattr(lib, op)(lib.cat([x, x], 1)), note="tiesofall")
    row(op, distinct, call=lambda lib, x, op=op: getattr(lib, op)(x, 1).values, note="values")
lost = {"special": "beside nan torch's sort, and so the place it names, is arbitrary"}
for lib_op in ("mode", "Tensor.mode"):
    row(lib_op, distinct, unlike=lost)
    row(lib_op, ints((3, 7), 0, 2), 1, True)
row("mode", ints((7, 3), 0, 2), dim=0)
row("mode", (), dim=0)
row("mode", distinct, dim=3)

fractions = {"integers": "there are none in (0, 1)", "special": "q must be in [0, 1]"}
unstable = {"special_gradient": "torch does not sort long lines stably: of equal elements it may choose another"}
for op in ("quantile", "nanquantile"):
    for lib_op in (op, f"Tensor.{op}"):
        row(lib_op, distinct, 0.3, unlike=unstable)
        row(lib_op, distinct, 0.7, dim=1)
        row(lib_op, distinct, 0.25, dim=-1, keepdim=True)
    for interpolation in ("linear", "lower", "higher", "midpoint", "nearest"):
        row(op, floats((3, 6), distinct=True), 0.45, dim=1, interpolation=interpolation)
        row(op, floats((3, 5), distinct=True), 0.5, dim=0, interpolation=interpolation)
    inner = floats((3,), low=0.13, high=0.83, distinct=True)
    row(op, floats((4, 7), distinct=True), inner, dim=1, unlike=fractions)
    row(op, floats((4, 7), distinct=True), inner, dim=0, keepdim=True, unlike=fractions)
    row(op, floats((4, 7), distinct=True), inner, unlike=fractions | unstable)
    row(op, floats((4, 7), distinct=True), inner, keepdim=True, unlike=fractions | unstable)
    row(op, floats((4, 7), distinct=True), 0.0, dim=0)
    row(op, floats((4, 7), distinct=True), 1.0, dim=0)
    row(op, distinct, 1.5)
    row(op, distinct, 0.5, dim=3)
    row(op, distinct, 0.5, interpolation="cubic")
    row(op, distinct, floats((2, 2), low=0, high=1))

for lib_op in ("bincount", "Tensor.bincount"):
    row(lib_op, ints((7,), 0, 4))
    row(lib_op, ints((7,), 0, 4), minlength=9)
no_gradient = {
    "gradient": "torch gives a result that requires grad, and raises in backward; we have none",
    "layout": "likewise",
    "degenerate": "likewise",
    "second": "likewise",
}
row("bincount", ints((7,), 0, 4), weights=floats((7,)), unlike=no_gradient)
row("bincount", ints((7,), -4, -1), note="negative")
row("bincount", ints((7, 2), 0, 4))
row("bincount", ints((7,), 0, 4), weights=floats((6,)), note="short", unlike=no_gradient)
row("bincount", ints((7,), 0, 4), minlength=-1)

for lib_op in ("histc", "Tensor.histc"):
    row(lib_op, (20,), bins=5, unlike=no_gradient)
    row(lib_op, (20,), bins=7, min=-1, max=1, unlike=no_gradient)
row("histc", (20,), bins=0)
row("histc", (20,), min=2, max=1)
half = dict.fromkeys(("float16", "special"), "torch takes half floats where it need not look for the range")
for lib_op in ("histogram", "Tensor.histogram"):
    row(lib_op, (20,), 5, unlike=no_gradient)
    row(lib_op, (20,), 5, range=(-1.0, 1.0), density=True, unlike=no_gradient | half)
row("histogram", (20,), 5, weight=floats((20,)), unlike=no_gradient)
row("histogram", (20,), 0)

twice = {"second": "torch has no second derivative of it"}
halves = dict.fromkeys(("float16", "special"), "torch has no half floats here; test_distance.py tries special values")
crash = {"degenerate": "torch crashes in the backward for no columns"}
for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf")):
    row("cdist", (3, 4), (5, 4), p=p, unlike=halves | twice)
    row("nn.functional.pdist", (4, 3), p=p, unlike=halves | twice | crash)
    row("pdist", (4, 3), p=p, unlike=halves | twice | crash)
row("cdist", (2, 1, 3, 4), (5, 6, 4), unlike=halves | twice)
row("cdist", (30, 4), (3, 4), unlike=halves | twice, slack=20)
row("cdist", (3, 4), (5, 4), compute_mode="use_mm_for_euclid_dist", unlike=halves, slack=20)
row("cdist", (3, 4), (5, 4), compute_mode="donot_use_mm_for_euclid_dist", unlike=halves | twice)
row("cdist", (3, 4), (5, 3))
row("cdist", (3, 4), (5, 4), p=-1.0)
row("cdist", (4,), (5, 4))
row("nn.functional.pdist", (4,))

for lib_op in ("cov", "Tensor.cov"):
    row(lib_op, (3, 5))
    row(lib_op, (5,), correction=0)
leaf = {"0d": "torch changes a leaf in place here, and refuses to"}
row("cov", (3, 5), fweights=ints((5,), 1, 3), unlike=leaf)
row("cov", (3, 5), aweights=floats((5,), low=0.2), unlike=leaf)
row("cov", (3, 5), correction=0, fweights=ints((5,), 1, 3), aweights=floats((5,), low=0.2))
row("cov", (2, 3, 5))
row("cov", (3, 5), fweights=ints((5,), -3, -1), note="negative")
row("cov", (3, 5), aweights=floats((4,), low=0.2), note="short", unlike=leaf)
for lib_op in ("corrcoef", "Tensor.corrcoef"):
    row(lib_op, (3, 5))
    row(lib_op, (5,), unlike=equal)
for lib_op in ("Tensor.sum_to_size",):
    row(lib_op, shape, 3, 1)
    row(lib_op, shape, [4])
    row(lib_op, shape, 2, 3, 4)
    row(lib_op, shape, 5)
