"""Where in a model an error happened: "[in encoder.2, Linear(...)]" says more than a line of Sequential.forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpudl.nn.module import Module


def name_layer(error: Any, module: Module) -> None:
    """Add to an error's message the module whose forward it leaves, or put its name before the path that stands there.

    Called by every module that the error passes on its way out, the innermost first.
    """
    found = getattr(error, "_layer", None)
    if found is not None:
        message, layer, path, inner = found
        name = next((name for name, child in module._modules.items() if child is inner), "")
        path = ".".join(filter(None, (name, path)))
    elif len(error.args) == 1 and isinstance(error.args[0], str):
        layer = type(module).__name__ + ("" if module._modules else f"({module.extra_repr()})")
        message, path = error.args[0].rstrip(), ""
    else:
        return
    error._layer = message, layer, path, module
    error.args = (f"{message} [in {path + ', ' if path else ''}{layer}]",)
