"""Where in a model an error happened: "encoder.layers.2.linear1: expected (*, 512), got (8, 256)"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend import errors
from gpudl.nn.registry import Registry

if TYPE_CHECKING:
    from gpudl.nn.module import Module

# What operations raise, by its very class: a subclass made by a user may read its message in its own way.
_NAMED = {RuntimeError, NotImplementedError, TypeError, IndexError, ValueError} | {
    each for each in vars(errors).values() if isinstance(each, type)
}


def name_layer(error: Any, module: Module) -> None:
    """Put before an error's message the path of the module whose forward it leaves, by its class where there is none.

    Called by every module that the error passes on its way out, the innermost first.
    """
    found = getattr(error, "_layer", None)
    if found is not None:
        layer, message, path, inner = found
        name = next((name for name, child in module.named_modules() if child is inner), "")
        path = ".".join(filter(None, (name, path)))
    elif type(error) in _NAMED and len(error.args) == 1 and isinstance(error.args[0], str):
        layer, path = type(module).__name__, ""
        message = _without_operation(error.args[0], layer)
    else:
        return
    error._layer = layer, message, path, module
    error.args = (f"{path or layer}: {message}",)


def want_of_tensor(error: AttributeError) -> TypeError | None:
    """What to raise in place of an AttributeError if gpudl looked for a Tensor's attribute where there was no Tensor.

    None for any other, such as those of the user's own code.
    """
    name, given, frame = getattr(error, "name", None), getattr(error, "obj", None), error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    ours = frame is not None and str(frame.tb_frame.f_globals.get("__name__")).startswith("gpudl.")
    if not ours or isinstance(given, (Tensor, Registry)) or not hasattr(Tensor, str(name)):
        return None
    return TypeError(f"expected a Tensor, got {type(given).__name__}")


def _without_operation(message: str, layer: str) -> str:
    """The message without the name of the operation where that only says the layer's again."""
    operation, colon, rest = message.partition(": ")
    same = re.fullmatch(re.escape(operation.replace("_", "")) + r"(\dd|loss)?", layer, re.IGNORECASE)
    return rest if colon and same else message
