"""The operations as methods and operators of Tensor: the class below is copied onto it, in plain sight."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.ops.methods.activations import ActivationMethods
from gpudl.ops.methods.convert import ConversionMethods
from gpudl.ops.methods.create import CreationMethods
from gpudl.ops.methods.elementwise import ElementwiseMethods
from gpudl.ops.methods.elementwise_in_place import ElementwiseInPlaceMethods
from gpudl.ops.methods.indexing import IndexMethods
from gpudl.ops.methods.linalg import LinalgMethods
from gpudl.ops.methods.python import PythonMethods
from gpudl.ops.methods.reductions import ReductionMethods
from gpudl.ops.methods.shape import ShapeMethods
from gpudl.ops.methods.special import SpecialMethods


class TensorMethods(
    PythonMethods,
    ConversionMethods,
    CreationMethods,
    ShapeMethods,
    IndexMethods,
    ElementwiseMethods,
    ElementwiseInPlaceMethods,
    SpecialMethods,
    ReductionMethods,
    LinalgMethods,
    ActivationMethods,
):
    """What Tensor can do. A type checker sees a base class of Tensor; at run time its contents are moved there."""

    __slots__ = ()


_PLUMBING = {"__module__", "__doc__", "__slots__", "__dict__", "__weakref__", "__annotations__"} | {
    "__firstlineno__",
    "__static_attributes__",
}

METHODS = {
    name: value for part in TensorMethods.__bases__ for name, value in vars(part).items() if name not in _PLUMBING
}
"""Name -> function or property, of every part."""


def install() -> None:
    """Move everything above onto Tensor."""
    for name, value in METHODS.items():
        setattr(Tensor, name, value)


install()
