"""Rows of normalizations and similarities."""

from cases import floats, row

F = "nn.functional"
inf = float("inf")


def positive(*shape):
    return floats(shape, low=0.5, high=2)


def norm(op, *parts, unlike=None, **named):
    empty = EMPTY if "batch_norm" in op or "instance_norm" in op or "group_norm" in op else {}
    row(op, *parts, unlike={**NOISE, **empty, **(unlike or {})}, **named)


EMPTY = {"degenerate": "of an empty input torch returns a clone times weight[0] and checks nothing; see test_norms.py"}
NOISE = {
    "special": "where squares overflow, or all of a row is one number, both libraries give rounding noise, and differ"
}

for op in (f"{F}.layer_norm", "layer_norm"):
    norm(op, (3, 4), [4], positive(4), (4,))
norm(f"{F}.layer_norm", (2, 3, 4), [4])
norm(f"{F}.layer_norm", (2, 3, 4), [3, 4], weight=positive(3, 4), bias=floats((3, 4)))
norm(f"{F}.layer_norm", (3, 4), [4], positive(4), slack=2)
norm(f"{F}.layer_norm", (3, 4), [4], bias=floats((4,)), unlike={"second": "torch fails without a weight"})
norm(f"{F}.layer_norm", floats((3, 50), low=100, high=102), [50], eps=1e-3, slack=30)
norm(f"{F}.layer_norm", (3, 4), [3])
norm(f"{F}.layer_norm", (3, 4), [])
norm(f"{F}.layer_norm", (3, 4), 4)
norm(f"{F}.layer_norm", (3, 4), [4], (3,))
for op in (f"{F}.rms_norm", "rms_norm"):
    norm(op, (3, 4), [4], positive(4))
norm(f"{F}.rms_norm", (2, 3, 4), [3, 4])
norm(f"{F}.rms_norm", (3, 4), [4], eps=0.5)
norm(f"{F}.rms_norm", (3, 4), [3])
norm(f"{F}.rms_norm", (3, 4), [4], (3,))

detached = {"gradcheck": "the running statistics are detached, torch and we refuse those that require grad"}
single = dict.fromkeys(
    ("values", "integers", "layout"),
    "torch raises first for running statistics that require grad, we for the one that is missing",
)
for shape in ((5, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 2, 3)):
    given = {"running_mean": floats((3,)), "running_var": positive(3)}
    for training in (True, False):

        def run(lib, x, mean, var, w, b, training=training):
            mean, var = mean.detach().clone(), var.detach().clone()
            y = lib.nn.functional.batch_norm(x, mean, var, w, b, training, 0.3)
            return y, mean, var

        norm(
            f"{F}.batch_norm",
            shape,
            *given.values(),
            positive(3),
            (3,),
            call=run,
            note=f"training={training}",
            unlike=detached,
        )


def statistics_of_batch(lib, x):
    return lib.nn.functional.batch_norm(x, None, None, training=True, eps=1e-2)


norm(f"{F}.batch_norm", (4, 3, 5), call=statistics_of_batch, note="noaffine")
norm(f"{F}.batch_norm", (1, 3), call=statistics_of_batch, note="onevalue")
norm(f"{F}.batch_norm", floats((4, 3, 70), low=100, high=102), call=statistics_of_batch, note="largemean", slack=30)
norm(f"{F}.batch_norm", (4, 3), None, None)
norm(f"{F}.batch_norm", (4, 3), floats((3,)), None, training=True, unlike=single)
norm(f"{F}.batch_norm", (4, 3), (3,), positive(3))
norm(f"{F}.batch_norm", (4, 3), None, None, (2,), training=True)
norm(f"{F}.batch_norm", (4, 3), None, None, training=True, eps=0.0)
norm(f"{F}.batch_norm", (4,), None, None, training=True)

for op in (f"{F}.group_norm", "group_norm"):
    norm(op, (2, 6, 5), 2, positive(6), (6,))
for groups in (1, 3):
    norm(f"{F}.group_norm", (2, 6, 2, 3), groups, positive(6))
norm(f"{F}.group_norm", (2, 6, 60), 6)
norm(f"{F}.group_norm", (3, 6), 2, positive(6), floats((6,)), eps=0.1)
norm(f"{F}.group_norm", (2, 6, 5), 4)
norm(f"{F}.group_norm", (2, 6, 5), -2)
norm(f"{F}.group_norm", (2, 6, 5), 2, (2,))
norm(f"{F}.group_norm", (6,), 2)
norm(f"{F}.group_norm", (1, 6), 6)

norm(f"{F}.instance_norm", (2, 3, 5))
norm(f"{F}.instance_norm", (2, 3, 4, 2), weight=positive(3), bias=floats((3,)))
for use in (True, False):

    def run_instance(lib, x, mean, var, w, use=use):
        mean, var = mean.detach().clone(), var.detach().clone()
        return lib.nn.functional.instance_norm(x, mean, var, w, None, use, 0.3), mean, var

    norm(
        f"{F}.instance_norm",
        (2, 3, 5),
        (3,),
        positive(3),
        positive(3),
        call=run_instance,
        note=f"{use}",
        unlike=detached,
    )
norm(f"{F}.instance_norm", (2, 3))
norm(f"{F}.instance_norm", (2, 3, 5), floats((3,)), unlike=single)
norm(f"{F}.instance_norm", (2, 3, 5), use_input_stats=False)

pools = {"integers": "torch averages squares of integers in integers, which cuts them; we ask for floating point"}
for size, settings in ((1, {}), (2, {"alpha": 0.5}), (3, {"alpha": 0.5, "beta": 0.5, "k": 2.0}), (9, {"beta": 1.0})):
    norm(f"{F}.local_response_norm", (2, 5, 3), size, unlike=pools, **settings)
norm(
    f"{F}.local_response_norm",
    (2, 5, 3, 2),
    5,
    alpha=2.0,
    unlike={**pools, "float16": "torch has no 3-d average pool of halves"},
)
norm(f"{F}.local_response_norm", (2, 5, 3), 0)
norm(f"{F}.local_response_norm", (2, 5), 2)

kink = {"gradcheck": "at 0, and below eps, the gradient is torch's, which is not the derivative"}
for p in (2.0, 1.0, 3.0, 1.5, inf, -inf, 0.0):
    norm(f"{F}.normalize", floats((3, 4), low=0.5, distinct=True), p)
norm(f"{F}.normalize", (3, 4), dim=0)
norm(f"{F}.normalize", (2, 3, 4), dim=(0, -1))
norm(f"{F}.normalize", floats((3, 4), low=-0.1, high=0.1), eps=0.5)
norm(f"{F}.normalize", floats((3, 4), low=0, high=0), eps=0.5, note="zeros", unlike=kink)
norm(f"{F}.normalize", (3, 4), dim=2)

for op in (f"{F}.cosine_similarity", "cosine_similarity"):
    norm(op, (3, 4), (3, 4))
    norm(op, (3, 1, 4), (2, 4), dim=-1)
norm(f"{F}.cosine_similarity", floats((3, 4), low=-0.1, high=0.1), (3, 4), dim=0, eps=0.5, unlike=kink)
norm(f"{F}.cosine_similarity", floats((3, 4), low=0, high=0), (3, 4), note="zeros", unlike=kink)
norm(f"{F}.cosine_similarity", (3, 4), (3, 3))
norm(f"{F}.cosine_similarity", (3, 4), (3, 4), dim=2)
for op in (f"{F}.pairwise_distance", "pairwise_distance"):
    norm(op, (3, 4), (3, 4))
for p in (1.0, 3.0, inf, 0.5):
    norm(f"{F}.pairwise_distance", floats((3, 4), low=3, high=5, distinct=True), (3, 4), p)
norm(f"{F}.pairwise_distance", (3, 1, 4), (2, 4), keepdim=True, eps=0.1)
norm(f"{F}.pairwise_distance", (4,), (4,))
norm(f"{F}.pairwise_distance", (3, 4), (3, 3))
for op in (f"{F}.bilinear", "bilinear"):
    row(op, (3, 4), (3, 2), (5, 4, 2), (5,), note="bias")
row(f"{F}.bilinear", (2, 3, 4), (2, 3, 2), (5, 4, 2))
row(f"{F}.bilinear", (4,), (2,), (5, 4, 2))
row(f"{F}.bilinear", (3, 4), (2, 2), (5, 4, 2))
row(f"{F}.bilinear", (3, 4), (3, 2), (5, 4, 3))
row(f"{F}.bilinear", (3, 4), (3, 2), (5, 4, 2), (4,))

UNLIKE = {
    f"{F}.local_response_norm int64": pools["integers"],
    f"{F}.normalize float16": "torch rounds the norm and its powers to half floats in between, where some overflow",
}
# Of one element, or of half floats rounded in between: where torch's result is rounding noise.
SLACK = {f"{F}.layer_norm": 4.0, f"{F}.bilinear": 2.0}


def top_level(lib, x, w, b):
    mean, var = lib.zeros_like(w), lib.ones_like(w)
    return lib.batch_norm(x, w, b, mean, var, True, 0.3, 1e-3, False), mean, var


def top_level_instance(lib, x, w, b):
    mean, var = lib.zeros_like(w), lib.ones_like(w)
    return lib.instance_norm(x, w, b, mean, var, True, 0.3, 1e-3, False), mean, var


norm("batch_norm", (2, 3, 5), positive(3), (3,), call=top_level)
norm("instance_norm", (2, 3, 5), positive(3), (3,), call=top_level_instance)
