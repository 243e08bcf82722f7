"""The families of operations of the parity contract: why each is as exact as it is, and how exact that is.

gpudl.compare.tolerances says what the numbers mean.
"""

from __future__ import annotations

from dataclasses import dataclass

OWN = "a program's own"


@dataclass(frozen=True)
class Level:
    """How exact results are.

    Attributes:
        factor: what `gpudl compare` allows, in roundings; of half floats 4 at most: what is computed in float32 is
            rounded once or a few times.
        limits: dtype -> published limit; 0 for every dtype that is not named: integers and bools agree exactly.
    """

    factor: float
    limits: dict[str, float]


# A factor of 16 is for formulas of some roundings, with functions of a few units in the last place; one of 256 for sums
# of up to many thousand terms, whose roundings add up as the square root of their number.
LEVELS = {
    "exact": Level(0.0, {}),
    "rounding": Level(16.0, {"float64": 8e-15, "float32": 2e-6, "float16": 1.6e-3, "bfloat16": 1.2e-2}),
    "summing": Level(256.0, {"float64": 2e-14, "float32": 4e-6, "float16": 6e-3, "bfloat16": 4e-2}),
    "multiplying": Level(256.0, {"float64": 6e-14, "float32": 1.6e-5, "float16": 8e-3, "bfloat16": 4e-2}),
    "solving": Level(256.0, {"float64": 1e-12, "float32": 2e-4, "float16": 8e-3, "bfloat16": 4e-2}),
    "unknown": Level(256.0, {"float64": 1e-12, "float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2}),
}
"""Name -> level, from the strictest on; that of a program's own operations last."""


@dataclass(frozen=True)
class Family:
    """Operations that have one reason to be as exact as they are.

    Attributes:
        name: as in PARITY.md.
        why: what is rounded, and how often.
        forward, backward: keys of LEVELS for the results, and for the gradients.
        ops: names of operations, in lower case: of kernels without their _forward and _backward, and of Primitives.
        saturates: whether `gpudl compare` also allows roundings of the largest input, as `why` says.
    """

    name: str
    why: str
    forward: str
    backward: str
    ops: tuple[str, ...]
    saturates: bool = False


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TABLE = (
    Family(
        "random numbers",
        "Every number is a function of seed, purpose and place alone (Philox), computed in integers and in steps that "
        "round alike everywhere: masks, initial weights, orders and augmentations are the same bits on all devices.",
        "exact",
        "exact",
        ("random_fill", "random_keep", "fractional_places"),
    ),
    Family(
        "moving and choosing",
        "Elements are copied, compared, sorted, counted or chosen, and none is computed. Of equal ones the first wins, "
        "or the last that is written, and sorting is stable. Gradients of what is read more than once are summed.",
        "exact",
        "summing",
        _names(
            """adaptive_max at_least bincount bitwise_and bitwise_or bitwise_xor block_diag cast cat ceil check_classes
            check_indices check_labels check_on_device check_probabilities check_variances chosen clamp
            clone compare copy count count_nonzero cumextreme diagonal discretize embed embed_diagonal
            embedding eq extreme extreme_along extreme_rows flip floor frexp ge get_item gt hardshrink
            hardtanh heaviside isclose join le limit logical lt max_pool2d median_of_all nan_to_num ne neg
            nextafter note_outside on_diagonal one_hot one_rounding pad permute pick pin place placed
            places pool_places position positions put put_along put_rows ranked read reads_half relu
            repeat_each reshape roll scatter segment_largest shift_along sign softshrink sorted
            split stack swap take take_along take_rows threshold transfer triangle trunc unfold unpool
            view_as write_at write_runs"""
        ),
    ),
    Family(
        "choosing between operands",
        "No element is computed. The gradient of an operand that was broadcast is a sum over where it went, in which "
        "terms cancel.",
        "exact",
        "multiplying",
        ("choice", "copysign", "expand", "fmax", "fmin", "maximum", "minimum", "where"),
    ),
    Family(
        "functions of an element",
        "Each result is a few roundings of its own inputs; exp, log and their like are good to two units in the last "
        "place on every device. Half floats are computed in float32 and rounded once.",
        "rounding",
        "rounding",
        _names(
            """abs acos acosh angle asin asinh atan atanh cos cosh dropout elu exp exp2 expm1 frac hardsigmoid
            hardswish leaky_relu lgamma log log10 log1p log2 logit map of_input of_result pointwise polygamma
            power reciprocal rotary_embedding round rsqrt sin sinc sinh softsign sqrt square step tan
            tanhshrink unscale update_scale whole_quotient zeta"""
        ),
    ),
    Family(
        "functions that saturate",
        "As functions of an element. Far out, where 1 + y and 1 - y are near 0, a result may also be off by as many "
        "roundings of the input that it is a share of, a gradient by those of the one that arrives.",
        "rounding",
        "rounding",
        _names("""erf erfc erfinv geglu gelu glu logsigmoid mish reglu sigmoid silu softplus swiglu tanh"""),
        saturates=True,
    ),
    Family(
        "an activation with its bias",
        "As functions that saturate, in one pass with the sum before. The gradient of the bias is a sum over the rows.",
        "rounding",
        "multiplying",
        ("bias_act",),
        saturates=True,
    ),
    Family(
        "functions of operands",
        "One rounding for each element. The gradient of an operand that was broadcast is a sum over where it went, in "
        "which terms cancel.",
        "rounding",
        "multiplying",
        _names(
            """add add_bias addcdiv addcmul atan2 binary blend cross difference div fmod hypot lerp logaddexp
            logaddexp2 mul outer pow prelu remainder sub ternary xlogy"""
        ),
    ),
    Family(
        "steps of optimizers",
        "As functions of an element, one for each weight; the norm that clips and trusts is a sum, in one fixed order.",
        "summing",
        "summing",
        _names(
            """adadelta_step adagrad_step adam_step adamax_step asgd_step clip_by_norm lamb_step lion_step muon_momentum
            nadam_step radam_step rmsprop_step rprop_step sgd_step"""
        ),
    ),
    Family(
        "sums and means",
        "Sums are added up in one order that is fixed for each device but differs between them: on the CPU in pairs "
        "and blocks, on a GPU in threads, warps and blocks. Half floats add up in float32.",
        "summing",
        "summing",
        _names(
            """add_at add_rows add_weights avg_pool2d binary_cross_entropy binary_cross_entropy_with_logits binned
            collect cross_entropy ctc_loss cumprod cumsum drop embedding_bag fold gaussian_nll_loss
            hinge_embedding_loss huber_loss kl_div l1_loss local_response_norm log_softmax logcumsumexp
            logsumexp margin_ranking_loss mean mse_loss nll_loss norm normalize pnorm poisson_nll_loss
            prod recurrence reduction resample segment_means segment_spread smooth_l1_loss
            soft_cross_entropy soft_margin_loss softmax spread sum sum_runs trace unpad vander
            variance vector_norm"""
        ),
    ),
    Family(
        "normalization",
        "A mean and a variance, then a function of the element. Gradients are differences of sums that nearly cancel "
        "where the variance is small.",
        "summing",
        "multiplying",
        ("batch_norm", "group_norm", "layer_norm", "normalize_batch", "rms_norm"),
    ),
    Family(
        "products",
        "Each result is a sum of products, in the order of the BLAS: OpenBLAS, cuBLAS, or a kernel of gpudl. float32 "
        "means float32: TF32 is off unless set_float32_matmul_precision asks for it, and then this does not hold.",
        "multiplying",
        "multiplying",
        _names(
            """adafactor_step add_product adjoint biased_product cdist contract convolution gradient grid_sample gru
            linear lstm matmul matmul_integers muon_step orthogonalize product rnn
            scaled_dot_product_attention transposed weight_and_bias_gradients weight_gradient"""
        ),
    ),
    Family(
        "decompositions",
        "Computed by NumPy's LAPACK on the host, so two devices give the same bits for the same input. How far these "
        "are from the exact result depends on the matrix; the limit is for well-conditioned ones.",
        "solving",
        "solving",
        _names(
            """cholesky det eigh geqrf inv matrix_exp pinv qr rank slogdet solve solve_triangular svd
            values_only"""
        ),
    ),
    Family(
        OWN,
        "Nothing is known of it, so it may be a sum. `check_kernel` and `check_devices` hold it to this, unless told "
        "otherwise. Half floats are taken to be computed in float32 and rounded once.",
        "unknown",
        "unknown",
        (),
    ),
)

FAMILIES = {family.name: family for family in _TABLE}
"""Name -> family, in the order of PARITY.md; that of a program's own operations last."""
