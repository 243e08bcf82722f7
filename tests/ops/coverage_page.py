"""The page that says which of PyTorch's names gpudl has: gpudl/ops/COVERAGE.md.

    PYTHONPATH=. python tests/ops/coverage_page.py --write

Every function and method of torch, torch.nn.functional, torch.linalg, torch.special, torch.func and torch.Tensor is on
it: those that a training framework needs with yes or no, the others under the reason why they are not asked for.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).resolve().parents[2] / "gpudl" / "ops" / "COVERAGE.md"
SPACES = ("", "nn.functional", "linalg", "special", "func", "Tensor")

# Why a name is not asked for -> regular expressions for the whole name. The first that fits counts.
NOT_ASKED_FOR = {
    "complex numbers and Fourier transforms": (
        "c(double|float)|chalf|complex|conj.*|imag|is_(complex|conj|neg)|polar|resolve_(conj|neg)|view_as_(complex|real).*"
        "|i?stft|eig|eigvals|symeig|H|is_neg"
    ),
    "sparse, nested and quantized tensors": (
        "sparse.*|.*_sparse.*|(ds|hs|hsp|s|sp|ssp?)(a)?(dd)?mm|coalesce|is_coalesced|(c|cc)?(col|row|crow)_indices(_copy)?|indices(_copy)?"
        "|values(_copy)?|dense_dim|sparse_dim|to_(dense|mkldnn|padded_tensor)|q_.*|qscheme|.*quantize.*|.*quantized.*"
        "|fbgemm.*|int_repr|choose_qparams.*|empty_quantized|fused_moving.*|is_nested|ccol_indices(_copy)?|saddmm|sspaddmm"
    ),
    "strides and storage as arguments": (
        "as_strided.*|.*empty_strided|empty_permuted|set_|data_ptr|const_data_ptr|storage.*|untyped_storage|resize.*"
        "|is_(set_to|shared)|share_memory_|dim_order|is_contiguous_.*|frombuffer|from_file"
    ),
    "bindings of vendor libraries, and what PyTorch's own code generators call": (
        "(cudnn|miopen|mkldnn|mkl|native|fbgemm)_.*|(?!index_).*_copy|unsafe_.*|sym_.*|slice_inverse|batch_norm_(?!$).*|norm_except_dim"
        "|convolution|conv_tbc|grid_sampler.*|affine_grid_generator|constant_pad_nd|embedding_renorm_|hash_tensor"
        "|segment_reduce|scaled_(grouped_)?mm|grouped_mm|max_pool.*_with_indices_backward"
        "|frobenius_norm|nuclear_norm|.*adaptive_max_pool.d_with_indices|(fractional_)?max_pool.d_with_indices|ldl_.*"
        "|geqrf|ormqr|orgqr|householder_product|jiterator.*"
    ),
    "compilers, serialization, threads, devices other than CUDA, and Python's type machinery": (
        "compile.*|compiled.*|import_ir.*|parse_.*|fork|wait|merge_type.*|unify_type.*|typename|classproperty|.*autocast.*"
        "|is_(ipu|maia|meta|mkldnn|mps|mtia|vulkan|xla|xpu|cpu|distributed|vulkan_available|storage|quantized|same_size)"
        "|(ipu|mtia|xpu)|.*vulkan.*|load|save|get_file_path|prepare_multi.*|profiler_.*|thread_safe.*|has_torch.*|handle_torch.*"
        "|boolean_dispatch|assert_int_or_pair|Optional|.*num_(interop_)?threads|.*_deterministic.*|.*deterministic_debug.*"
        "|.*flush_denormal|set_(warn|default_tensor).*|is_warn.*|are_.*|.*anomaly.*|get_device_module"
        "|(get|set)_default_device|cond|while_loop|init_num.*|to_dlpack|get_device|layout|names?|module_load"
        "|record_stream|output_nr|grad_dtype|apply_|map2?_|as_subclass|set_printoptions|debug_unwrap|linearize|stack_module_state"
        "|functionalize|replace_all_batch.*|functional_call|is_inference_mode_enabled"
    ),
    "functions that PyTorch's documentation leaves out": (
        "index|(gru|lstm|rnn_tanh|rnn_relu)(_cell)?|rearrange|is_inference|adaptive_max_pool1d_with_indices"
    ),
    "LU factors, which NumPy keeps to itself": "lu_?(factor|factor_ex|solve|unpack)?",
    "deprecated or removed in PyTorch": (
        "matrix_rank|chain_matmul|lstsq|solve|lu|lu_unpack|range|volatile|reinforce|resize|new|cholesky|qr|svd|triangular_solve|lobpcg"
        "|storage_type|multigammaln_|pca_lowrank|svd_lowrank"
    ),
    "special functions outside of training": (
        "gradient|nonzero_static|.*bessel.*|airy.*|.*polynomial.*|erfcx|igammac?_?|gammainc.*|i0e|i1e?|i0_?|log_ndtr|ndtri?|psi|zeta|entr|xlog1py|betaln"
        "|gammaln|logit_|multigammaln|softmax_|binomial|histogramdd|geometric_mean"
    ),
}
# A name that a reason fits, though it is asked for in this space.
ASKED_FOR = {
    "linalg": {"solve", "lstsq", "cholesky", "qr", "svd", "cond", "matrix_rank", "householder_product"},
}


def torch_names(torch: Any, space: str) -> list[str]:
    """The public functions of a namespace of torch, or the methods and properties of torch.Tensor."""
    root = find(torch, space)
    if space == "Tensor":
        return [name for name in dir(root) if not name.startswith("_")]
    values = [(name, getattr(root, name, None)) for name in dir(root) if not name.startswith("_")]
    return [name for name, value in values if callable(value) and not inspect.isclass(value)]


def find(root: Any, dotted: str) -> Any:
    """What a dotted name stands for, or None."""
    for part in dotted.split(".") if dotted else ():
        root = getattr(root, part, None)
    return root


def reason_not_asked_for(space: str, name: str) -> str | None:
    if name in ASKED_FOR.get(space, ()):
        return None
    if not space and (name == "embedding_bag" or name.endswith(("_loss", "_with_logits", "kl_div"))):
        return "functions that PyTorch's documentation leaves out"
    if not space and name.endswith("_"):
        return "in-place functions beside the methods of the same names"
    for reason, pattern in NOT_ASKED_FOR.items():
        if re.fullmatch(pattern, name):
            return reason
    return None


class Surveyed(NamedTuple):
    """What gpudl has of a space: name -> whether it is there, for those asked for; others there; reason -> the rest."""

    needed: dict[str, bool]
    beyond: list[str]
    others: dict[str, list[str]]


def survey() -> dict[str, Surveyed]:
    """Space -> what gpudl has of it."""
    import torch

    import gpudl
    import gpudl.func
    import gpudl.linalg
    import gpudl.nn.functional
    import gpudl.special

    found: dict[str, Surveyed] = {}
    for space in SPACES:
        space_found = found[space] = Surveyed({}, [], {})
        ours = find(gpudl, space)
        for name in torch_names(torch, space):
            has = hasattr(ours, name)
            reason = reason_not_asked_for(space, name)
            if reason is None:
                space_found.needed[name] = has
            elif has:
                space_found.beyond.append(name)
            else:
                space_found.others.setdefault(reason, []).append(name)
    return found


def page() -> str:
    """The text of the page."""
    lines = [
        "# What of PyTorch gpudl has",
        "",
        "Made by `tests/ops/coverage_page.py` from PyTorch 2.13 and gpudl; a test beside it keeps it true.",
        "Names in one space mean there what they mean in PyTorch. `out=`, complex numbers, sparse tensors and memory",
        "formats are out of scope.",
        "",
    ]
    surveyed = survey()
    lines += ["| | needed for training | there | |", "|---|---|---|---|"]
    for space, (needed, _, _) in surveyed.items():
        have = sum(needed.values())
        lines.append(f"| `{_title(space)}` | {len(needed)} | {have} | {100 * have / len(needed):.1f} % |")
    for space, (needed, beyond, others) in surveyed.items():
        lines += ["", f"## {_title(space)}", ""]
        for word, wanted in (("yes", True), ("no", False)):
            names = [name for name, has in needed.items() if has is wanted]
            lines += _paragraph(f"**{word}** ({len(names)}):", names)
        if beyond:
            lines += _paragraph(f"**yes, beyond these** ({len(beyond)}):", beyond)
        if others:
            lines += ["Not asked for:", ""]
            for reason, names in others.items():
                lines += textwrap.wrap(
                    f"- {reason}: {', '.join(f'`{name}`' for name in names)}", 118, subsequent_indent="  "
                )
    return "\n".join(lines) + "\n"


def _title(space: str) -> str:
    return f"torch.{space}" if space else "torch"


def _paragraph(head: str, names: list[str]) -> list[str]:
    return [*textwrap.wrap(f"{head} {', '.join(f'`{name}`' for name in names) or 'none'}", 118), ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the page, instead of printing it")
    text = page()
    if parser.parse_args().write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
