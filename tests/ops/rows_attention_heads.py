"""Rows of multi-head attention, and of rotary embedding, which PyTorch does not have; tests/nn has more of both."""

from cases import Input, bools, floats, row

RANDOM = {"nn.functional.multi_head_attention_forward": "torch's samples have dropout"}
M, R = "nn.functional.multi_head_attention_forward", "nn.functional.rotary_embedding"


def heads(keys=5, **named):
    """Attention of 3 queries to some keys, 2 samples of 4 features in 2 heads."""
    tensors = {name: part for name, part in named.items() if isinstance(part, Input)}
    settings = {name: part for name, part in named.items() if name not in tensors}

    def call(lib, query, key, in_weight, in_bias, out_weight, out_bias, *others):
        given = {"bias_k": None, "bias_v": None, "add_zero_attn": False, **settings, **dict(zip(tensors, others))}
        added = [given.pop(name) for name in ("bias_k", "bias_v", "add_zero_attn")]
        forward = lib.nn.functional.multi_head_attention_forward
        return forward(query, key, key, 4, 2, in_weight, in_bias, *added, 0.0, out_weight, out_bias, **given)

    def twin(lib, *tensors):
        """By the kernel of torch that has second gradients."""
        with lib.nn.attention.sdpa_kernel(lib.nn.attention.SDPBackend.MATH):
            return call(lib, *tensors)

    unlike = {
        "degenerate": "ours does not take in_proj_weight of another shape where nothing is in it",
    }
    shapes = [(3, 2, 4), (keys, 2, 4), (12, 4), (12,), (4, 4), (4,)]
    lead = [floats(shape, low=-0.8, high=0.8) for shape in shapes]
    note = " ".join(f"{name} {getattr(part, 'dtype', part)}" for name, part in named.items())
    row(M, *lead, *tensors.values(), call=call, twin=twin, note=note, unlike=unlike, slack=8)


for need_weights in (True, False):
    heads(need_weights=need_weights)
    heads(need_weights=need_weights, attn_mask=bools((3, 5)))
    heads(need_weights=need_weights, attn_mask=floats((3, 5)))
    heads(need_weights=need_weights, attn_mask=floats((4, 3, 5)), key_padding_mask=floats((2, 5)))
    heads(need_weights=need_weights, bias_k=floats((1, 1, 4)), bias_v=floats((1, 1, 4)), add_zero_attn=True)
heads(average_attn_weights=False)


def turned(interleaved):
    def twin(lib, x, cos, sin):
        """As ours, half floats are rounded at the end only."""
        if x.dtype == lib.float16:
            return twin(lib, x.float(), cos.float(), sin.float()).half()
        pairs = cos.shape[-1]
        front, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
        a, b = (front[..., ::2], front[..., 1::2]) if interleaved else (front[..., :pairs], front[..., pairs:])
        parts = [a * cos - b * sin, a * sin + b * cos]
        return lib.cat([lib.stack(parts, -1).flatten(-2) if interleaved else lib.cat(parts, -1), rest], -1)

    return twin


for interleaved in (False, True):
    for tables in ((3, 2), (2,), (2, 1, 1)):
        row(
            R,
            (2, 3, 5),
            tables,
            tables,
            interleaved,
            twin=turned(interleaved),
            unlike={
                "degenerate": "the twin takes shapes that ours does not",
                "integers": "the twin takes integers, ours does not",
            },
        )
