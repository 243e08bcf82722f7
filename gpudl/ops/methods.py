"""The operations as methods and operators of Tensor: the class below is copied onto it, in plain sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gpudl.autograd.functional import backward
from gpudl.autograd.grad_mode import mode
from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import is_on_host, to_host
from gpudl.backend.dtypes import get_default_dtype
from gpudl.backend.errors import ShapeError
from gpudl.ops import arithmetic, comparison, create, elementwise, index, reduce, shape
from gpudl.ops import cast as casts
from gpudl.ops.matmul import matmul, rmatmul
from gpudl.ops.operands import one_dim
from gpudl.ops.relu import relu
from gpudl.ops.softmax import log_softmax, softmax


def _in_place(name: str, operation: Callable[..., Tensor], reread_for: slice | None = None) -> Callable[..., Tensor]:
    """`operation` with its result written over its first argument. If one of the arguments `reread_for` requires grad,
    its gradient needs the first one's old values: they are copied before."""

    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        source = self
        if reread_for is not None and mode.enabled:
            wanting = (self, *args, *kwargs.values())[reread_for]
            if any(isinstance(each, Tensor) and each.requires_grad for each in wanting):
                source = casts.clone(self)
        return assign(self, operation(source, *args, **kwargs), name)

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place; returns the tensor. Errors also as autograd.inplace.assign."
    return change


_ALL, _OTHERS = slice(None), slice(1, None)


class TensorMethods:
    """What Tensor can do. A type checker sees a base class of Tensor; at run time its contents are moved there."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        device: Any
        requires_grad: Any
        grad_fn: Any

    __add__ = __radd__ = add = arithmetic.add
    __sub__ = sub = arithmetic.sub
    __mul__ = __rmul__ = mul = arithmetic.mul
    __truediv__ = div = arithmetic.div
    __pow__ = pow = arithmetic.pow
    __neg__ = neg = arithmetic.neg
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum

    def __rsub__(self, other: Any) -> Tensor:
        return arithmetic.sub(other, cast(Tensor, self))

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.div(other, cast(Tensor, self))

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.pow(other, cast(Tensor, self))

    def __pos__(self) -> Tensor:
        if self.array.dtype.kind == "b":
            raise RuntimeError("+: a bool tensor has no sign; cast it to a number first")
        return cast(Tensor, self)

    __matmul__ = matmul = matmul
    __rmatmul__ = rmatmul

    __abs__ = abs = elementwise.abs_
    exp = elementwise.exp
    log = elementwise.log
    sqrt = elementwise.sqrt
    tanh = elementwise.tanh
    sigmoid = elementwise.sigmoid
    sign = elementwise.sign
    clamp = clip = elementwise.clamp
    masked_fill = elementwise.masked_fill
    relu = relu
    softmax = softmax
    log_softmax = log_softmax

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where the condition holds, else `other`."""
        return elementwise.where(condition, cast(Tensor, self), other)

    __eq__ = eq = comparison.eq  # type: ignore[assignment]
    __ne__ = ne = comparison.ne  # type: ignore[assignment]
    __lt__ = lt = comparison.lt
    __le__ = le = comparison.le
    __gt__ = gt = comparison.gt
    __ge__ = ge = comparison.ge
    __and__ = __rand__ = bitwise_and = comparison.bitwise_and
    __or__ = __ror__ = bitwise_or = comparison.bitwise_or
    __xor__ = __rxor__ = bitwise_xor = comparison.bitwise_xor
    __invert__ = bitwise_not = comparison.bitwise_not
    isnan = comparison.isnan
    isinf = comparison.isinf
    isfinite = comparison.isfinite
    isclose = comparison.isclose
    allclose = comparison.allclose
    equal = comparison.equal

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate into `.grad` of the leaves the derivative of this tensor; see gpudl.autograd.backward."""
        backward((cast(Tensor, self),), (gradient,), retain_graph, create_graph, inputs)

    def __hash__(self) -> int:
        return id(self)

    sum = reduce.sum
    mean = reduce.mean
    max = reduce.max
    min = reduce.min
    amax = reduce.amax
    amin = reduce.amin
    argmax = reduce.argmax
    argmin = reduce.argmin
    all = reduce.all
    any = reduce.any

    reshape = shape.reshape
    view = shape.view
    flatten = shape.flatten
    permute = shape.permute
    transpose = shape.transpose
    swapaxes = shape.transpose
    t = shape.t
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    expand = shape.expand
    broadcast_to = shape.broadcast_to

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order, a view."""
        return shape.permute(cast(Tensor, self), tuple(reversed(range(self.array.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged, a view."""
        if self.array.ndim < 2:
            raise ShapeError(f"mT: expected matrices, got shape {self.array.shape}")
        return shape.transpose(cast(Tensor, self), -2, -1)

    def expand_as(self, other: Tensor) -> Tensor:
        """Expanded to the shape of another."""
        return shape.expand(cast(Tensor, self), other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """A view with the shape of another."""
        return shape.view(cast(Tensor, self), other.shape)

    __getitem__ = index.getitem
    __setitem__ = index.setitem

    to = casts.to
    astype = casts.astype
    type_as = casts.type_as
    clone = casts.clone
    contiguous = casts.contiguous
    is_contiguous = casts.is_contiguous
    double = casts.double
    float = casts.float_
    half = casts.half
    int = casts.int_
    long = casts.long
    bool = casts.bool_
    cpu = casts.cpu
    cuda = casts.cuda
    numpy = casts.numpy
    __array__ = casts.array_interface
    item = casts.item
    tolist = casts.tolist
    new_full = create.new_full

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Zeros in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(size), 0, dtype=dtype, device=device)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Ones in a shape of their own, with this tensor's dtype and device unless given."""
        return create.new_full(cast(Tensor, self), create.lengths_of(size), 1, dtype=dtype, device=device)

    def numel(self) -> Any:
        """The number of elements."""
        return self.array.size

    def dim(self) -> Any:
        """The number of dimensions."""
        return self.array.ndim

    def size(self, dim: Any = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.array.shape if dim is None else self.array.shape[one_dim("size", dim, self.array.ndim)]

    def element_size(self) -> Any:
        """Bytes per element."""
        return self.array.dtype.itemsize

    def is_floating_point(self) -> Any:
        """True for float16, float32 and float64."""
        return self.array.dtype.kind == "f"

    __iadd__ = add_ = _in_place("add_", arithmetic.add)
    __isub__ = sub_ = _in_place("sub_", arithmetic.sub)
    __imul__ = mul_ = _in_place("mul_", arithmetic.mul, _OTHERS)
    __itruediv__ = div_ = _in_place("div_", arithmetic.div, _OTHERS)
    __ipow__ = pow_ = _in_place("pow_", arithmetic.pow, _ALL)
    neg_ = _in_place("neg_", arithmetic.neg)
    exp_ = _in_place("exp_", elementwise.exp)
    log_ = _in_place("log_", elementwise.log, _ALL)
    sqrt_ = _in_place("sqrt_", elementwise.sqrt)
    tanh_ = _in_place("tanh_", elementwise.tanh)
    sigmoid_ = _in_place("sigmoid_", elementwise.sigmoid)
    abs_ = _in_place("abs_", elementwise.abs_, _ALL)
    clamp_ = _in_place("clamp_", elementwise.clamp, _ALL)
    relu_ = _in_place("relu_", relu)
    masked_fill_ = _in_place("masked_fill_", elementwise.masked_fill)

    def fill_(self, value: Any) -> Tensor:
        """Every element set to a number or a 0-d tensor, in place."""
        tensor = cast(Tensor, self)
        filler = value.to(tensor.dtype) if isinstance(value, Tensor) else create.new_full(tensor, (), value)
        if filler.ndim:
            raise ShapeError(f"fill_: expected a number or a 0-d tensor, got shape {filler.shape}")
        return assign(tensor, filler, "fill_", replace=True)

    def zero_(self) -> Tensor:
        """Every element set to 0, in place."""
        return assign(cast(Tensor, self), create.new_full(cast(Tensor, self), (), 0), "zero_", replace=True)

    def copy_(self, source: Tensor) -> Tensor:
        """The values of another tensor, which broadcasts, is cast and moved, in place."""
        tensor = cast(Tensor, self)
        return assign(tensor, source.to(tensor.dtype).to(tensor.device), "copy_", replace=True)

    def __len__(self) -> Any:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("a 0-d tensor cannot be iterated over")
        return (index.getitem(cast(Tensor, self), i) for i in range(self.array.shape[0]))

    def __contains__(self, value: Any) -> Any:
        return bool(to_host(comparison.eq(cast(Tensor, self), value).array).any())

    def __bool__(self) -> Any:
        if self.array.size != 1:
            raise RuntimeError(f"the truth value of {self.array.size} elements is ambiguous; use any() or all()")
        return bool(self.array)

    def __float__(self) -> Any:
        return float(self.array.item())

    def __int__(self) -> Any:
        return int(self.array.item())

    def __index__(self) -> Any:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError(f"only one integer can be an index, not {self.array.dtype} of shape {self.array.shape}")
        return int(self.array.item())

    def __format__(self, spec: str) -> str:
        return format(self.array.item(), spec) if spec and not self.array.ndim else repr(self)

    def __repr__(self) -> str:
        host = to_host(self.array)
        text = np.array2string(host, separator=", ", prefix="tensor(", precision=4, floatmode="maxprec", threshold=1000)
        extra = [] if host.dtype in (get_default_dtype(), np.int64, np.bool_) and host.size else [f"dtype={host.dtype}"]
        if not host.size:
            extra.insert(0, f"size={host.shape}")
        if not is_on_host(self.array):
            extra.insert(0, f"device='{self.device}'")
        if self.grad_fn is not None:
            extra.append(f"grad_fn={self.grad_fn!r}")
        elif self.requires_grad:
            extra.append("requires_grad=True")
        return f"tensor({', '.join([text, *extra])})"


def install() -> None:
    """Move everything above onto Tensor."""
    for name, value in vars(TensorMethods).items():
        if name not in ("__dict__", "__doc__", "__module__", "__slots__", "__weakref__", "__annotations__"):
            setattr(Tensor, name, value)


install()
