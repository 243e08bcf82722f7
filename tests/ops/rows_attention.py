"""Rows of scaled dot product attention."""

from cases import Input, bools, floats, row

A = "nn.functional.scaled_dot_product_attention"


empty = {"degenerate": "of anything empty torch gives zeros and checks nothing; we check, and then give zeros too"}
# What is hidden stays so here, whatever it is.
hidden = {"special": "torch adds -inf to hidden scores, which gives nan where they are nan or inf"}


def attention(*parts, call=None, **named):
    def plain(lib, *tensors):
        """What torch gives by its kernel that has second gradients; OpInfo's samples go through the fused one."""
        given = iter(tensors)
        filled = [next(given) if isinstance(part, (tuple, Input)) else part for part in parts]
        with lib.nn.attention.sdpa_kernel(lib.nn.attention.SDPBackend.MATH):
            if call is not None:
                return call(lib, *tensors)
            return lib.nn.functional.scaled_dot_product_attention(*filled, **named)

    hides = named.get("is_causal") or call is not None or any(getattr(part, "dtype", None) for part in parts)
    row(A, *parts, call=call, twin=plain, unlike={**empty, **(hidden if hides else {})}, **named)


for causal in (False, True):
    attention((2, 3, 4), (2, 5, 4), (2, 5, 3), is_causal=causal)
    attention((2, 2, 5, 4), (2, 2, 3, 4), (2, 2, 3, 4), is_causal=causal)
attention((3, 4), (5, 4), (5, 2))
attention((3, 4), (5, 4), (5, 2), scale=0.3)
attention((3, 4), (5, 4), (5, 2), scale=-1.0)
attention((1, 3, 4), (2, 5, 4), (2, 5, 2))
attention((2, 3, 4), (5, 4), (2, 1, 5, 2))
attention((3, 4), (1, 5, 4), (5, 2))
attention((1, 1, 3, 4), (1, 1, 5, 4), (1, 1, 5, 2))
for mask in ((3, 5), (2, 1, 3, 5), (1, 2, 3, 5), (2, 2, 3, 5), (1, 5), (2, 1, 1, 5)):
    attention((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), floats(mask))
    attention((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), bools(mask))
seen = [[False] * 5, [True] * 5, [True, False, True, False, False]]
attention((3, 4), (5, 4), (5, 2), call=lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(
    q, k, v, lib.tensor(seen, device=q.device)), note="unseeing")  # fmt: skip
for heads in (1, 2, 4):
    attention((2, 4, 3, 5), (2, heads, 4, 5), (2, heads, 4, 2), enable_gqa=True)
attention((2, 4, 3, 5), (2, 2, 4, 5), (2, 2, 4, 2), floats((2, 1, 3, 4)), enable_gqa=True)
attention((2, 4, 3, 5), (2, 2, 4, 5), (2, 2, 4, 2), floats((1, 4, 1, 4)), enable_gqa=True)
attention((2, 4, 3, 5), (2, 2, 4, 5), (2, 1, 4, 2), is_causal=True, enable_gqa=True)
attention((3, 4), (5, 4), (5, 2), dropout_p=1.0)

attention((3, 4), (5, 3), (5, 2))
attention((3, 4), (5, 4), (4, 2))
attention((4,), (5, 4), (5, 2))
attention((2, 3, 4), (3, 5, 4), (3, 5, 2))
attention((3, 4), (5, 4), (5, 2), floats((3, 4)))
attention((3, 4), (5, 4), (5, 2), floats((5,)))
attention((3, 4), (5, 4), (5, 2), floats((3, 5)), is_causal=True)
attention((3, 4), (5, 4), (5, 2), dropout_p=1.5)
attention((4, 3, 5), (2, 4, 5), (2, 4, 2))
attention((4, 3, 5), (3, 4, 5), (3, 4, 2), enable_gqa=True)
attention((3, 5), (4, 5), (4, 2), enable_gqa=True)

# PyTorch's samples are numbers up to 9, whose scores are in the hundreds: their rounding is seen in the gradients.
SLACK = {A: 10.0}
UNLIKE = {
    f"{A} float16": "torch's fused kernel takes sum(dy y) from y rounded to half floats; its other one is in the rows"
}
