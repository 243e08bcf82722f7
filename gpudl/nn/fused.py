"""Neighboring layers that are computed together: a Linear's bias with the activation or dropout after it, and with what
the result is added to.

Only where nobody can tell: they are of these very classes, and no hook or replaced forward would see what lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import is_on_host
from gpudl.nn.activation import GELU, Sigmoid, SiLU, Tanh
from gpudl.nn.attention import NonDynamicallyQuantizableLinear
from gpudl.nn.dropout import Dropout
from gpudl.nn.hooks import EVERYWHERE
from gpudl.nn.linear import Linear
from gpudl.nn.locate import name_layer
from gpudl.nn.module import Module
from gpudl.nn.rectifiers import ReLU
from gpudl.ops.bias_act import bias_act
from gpudl.ops.bias_dropout_add import bias_dropout_add
from gpudl.ops.gelu import gelu
from gpudl.ops.linear import linear
from gpudl.ops.relu import relu

Step = Callable[[Any], Any]

_LINEAR = (Linear, NonDynamicallyQuantizableLinear)

_ACTIVATIONS: dict[type, str] = {ReLU: "relu", SiLU: "silu", Tanh: "tanh", Sigmoid: "sigmoid"}
_GAINS = ("relu", "gelu", "gelu_tanh")
_FORMS = {"none": "gelu", "tanh": "gelu_tanh"}


def is_plain(module: Any, kind: type[Module]) -> bool:
    """True if a call of the module is the forward of its class and nothing else."""
    return type(module) is kind and not module._hooks and not EVERYWHERE and "forward" not in module.__dict__


def leaves_bias(module: Any) -> bool:
    """True for a Linear that has a bias, which can be left to what comes after it."""
    return module.bias is not None and is_linear(module) if type(module) in _LINEAR else False


def is_linear(module: Any) -> bool:
    """True for a Linear that is one product, and the addition of a bias if it has one."""
    kind = type(module)
    if kind not in _LINEAR or not is_plain(module, kind):
        return False
    return module.bias is None or bool(module.bias.dtype == module.weight.dtype)


def act_after(layer: Any, activation: Any) -> str | None:
    """The name that bias_act has for an activation, a module or a function, if it is to be computed with a bias."""
    kind = type(activation)
    if activation is relu or activation is gelu:
        act: str | None = "relu" if activation is relu else "gelu"
    else:
        act = _FORMS.get(activation.approximate) if kind is GELU else _ACTIVATIONS.get(kind)
        act = act if act is not None and is_plain(activation, kind) else None
    if act is None or not leaves_bias(layer):
        return None
    # On the CPU the other activations take so long that a pass less over the elements is no gain.
    return act if act in _GAINS or not is_on_host(layer.weight.array) else None


def linear_act(layer: Any, input: Tensor, act: str) -> Tensor:
    """An activation of what a Linear that leaves_bias computes."""
    return bias_act(_product(layer, input), layer.bias, act)


def linear_dropout(layer: Any, dropout: Any, input: Tensor, residual: Tensor | None = None) -> Tensor:
    """residual + dropout(layer(input)), in as few steps as nobody can tell from that."""
    if not is_linear(layer):
        result: Tensor = dropout(layer(input))
        return result if residual is None else residual + result
    return bias_dropout(_product(layer, input), layer.bias, dropout, residual)


def bias_dropout(product: Tensor, bias: Tensor | None, dropout: Any, residual: Tensor | None) -> Tensor:
    """residual + dropout(product + bias), in as few steps as nobody can tell from that."""
    if not is_plain(dropout, Dropout):
        result: Tensor = dropout(product if bias is None else product + bias)
        return result if residual is None else residual + result
    if residual is not None and (residual.shape != product.shape or residual.dtype != product.dtype):
        return residual + bias_dropout_add(product, bias, None, dropout.p, dropout.training)
    return bias_dropout_add(product, bias, residual, dropout.p, dropout.training)


def within(layer: Any, function: Callable[..., Any], *args: Any) -> Any:
    """function(*args), which is a step of a layer: an error names the layer."""
    try:
        return function(*args)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        name_layer(error, layer)
        raise


def steps(modules: Iterable[Module]) -> Iterator[Step]:
    """What to call one after the other: the modules, or what computes two of them together."""
    before: Any = None
    for module in modules:
        if type(before) is Linear:
            pair = _pair(before, module)
            if pair is not None:
                yield pair
                before = None
                continue
        if before is not None:
            yield before
        before = module
    if before is not None:
        yield before


def _pair(layer: Any, module: Any) -> Step | None:
    """What computes a Linear and the module after it together, if there is such a thing."""
    act = act_after(layer, module)
    if act is not None:
        return lambda input: linear_act(layer, input, act)
    if is_plain(module, Dropout) and leaves_bias(layer):
        return lambda input: linear_dropout(layer, module, input)
    return None


def _product(layer: Any, input: Tensor) -> Tensor:
    """What a Linear computes before its bias."""
    return within(layer, linear, input, layer.weight)  # type: ignore[no-any-return]
