"""gpudl: one autograd and one layer library, on NumPy for the CPU and, with the same code, on GPUs."""

import sys as _sys
from typing import TYPE_CHECKING
from typing import Any as _Any

from gpudl import autograd as autograd
from gpudl import ops as ops
from gpudl import random as random
from gpudl.autograd import enable_grad as enable_grad
from gpudl.autograd import inference_mode as inference_mode
from gpudl.autograd import is_grad_enabled as is_grad_enabled
from gpudl.autograd import no_grad as no_grad
from gpudl.autograd import set_grad_enabled as set_grad_enabled
from gpudl.autograd.tensor import Tensor as Tensor
from gpudl.backend.arrays import register_namespace as _register_namespace
from gpudl.backend.device import Device as Device
from gpudl.backend.device import device as device
from gpudl.backend.device import synchronize as synchronize
from gpudl.backend.dtypes import bool_
from gpudl.backend.dtypes import float16 as float16
from gpudl.backend.dtypes import float32 as float32
from gpudl.backend.dtypes import float64 as float64
from gpudl.backend.dtypes import get_default_dtype as get_default_dtype
from gpudl.backend.dtypes import int8 as int8
from gpudl.backend.dtypes import int16 as int16
from gpudl.backend.dtypes import int32 as int32
from gpudl.backend.dtypes import int64 as int64
from gpudl.backend.dtypes import promote_types as promote_types
from gpudl.backend.dtypes import set_default_dtype as set_default_dtype
from gpudl.backend.dtypes import uint8 as uint8
from gpudl.backend.errors import DeviceError as DeviceError
from gpudl.backend.errors import GraphError as GraphError
from gpudl.backend.errors import ShapeError as ShapeError
from gpudl.ops.arithmetic import add as add
from gpudl.ops.arithmetic import div as div
from gpudl.ops.arithmetic import maximum as maximum
from gpudl.ops.arithmetic import minimum as minimum
from gpudl.ops.arithmetic import mul as mul
from gpudl.ops.arithmetic import neg as neg
from gpudl.ops.arithmetic import pow as pow
from gpudl.ops.arithmetic import sub as sub
from gpudl.ops.cast import clone as clone
from gpudl.ops.comparison import allclose as allclose
from gpudl.ops.comparison import bitwise_and as bitwise_and
from gpudl.ops.comparison import bitwise_not as bitwise_not
from gpudl.ops.comparison import bitwise_or as bitwise_or
from gpudl.ops.comparison import bitwise_xor as bitwise_xor
from gpudl.ops.comparison import eq as eq
from gpudl.ops.comparison import equal as equal
from gpudl.ops.comparison import ge as ge
from gpudl.ops.comparison import gt as gt
from gpudl.ops.comparison import isclose as isclose
from gpudl.ops.comparison import isfinite as isfinite
from gpudl.ops.comparison import isinf as isinf
from gpudl.ops.comparison import isnan as isnan
from gpudl.ops.comparison import le as le
from gpudl.ops.comparison import lt as lt
from gpudl.ops.comparison import ne as ne
from gpudl.ops.create import arange as arange
from gpudl.ops.create import as_tensor as as_tensor
from gpudl.ops.create import eye as eye
from gpudl.ops.create import from_numpy as from_numpy
from gpudl.ops.create import full as full
from gpudl.ops.create import full_like as full_like
from gpudl.ops.create import ones as ones
from gpudl.ops.create import ones_like as ones_like
from gpudl.ops.create import rand as rand
from gpudl.ops.create import randn as randn
from gpudl.ops.create import tensor as tensor
from gpudl.ops.create import zeros as zeros
from gpudl.ops.create import zeros_like as zeros_like
from gpudl.ops.elementwise import abs_ as _abs
from gpudl.ops.elementwise import clamp as clamp
from gpudl.ops.elementwise import exp as exp
from gpudl.ops.elementwise import log as log
from gpudl.ops.elementwise import masked_fill as masked_fill
from gpudl.ops.elementwise import sigmoid as sigmoid
from gpudl.ops.elementwise import sign as sign
from gpudl.ops.elementwise import sqrt as sqrt
from gpudl.ops.elementwise import tanh as tanh
from gpudl.ops.elementwise import where as where
from gpudl.ops.matmul import matmul as matmul
from gpudl.ops.operands import result_type as result_type
from gpudl.ops.reduce import all as all
from gpudl.ops.reduce import amax as amax
from gpudl.ops.reduce import amin as amin
from gpudl.ops.reduce import any as any
from gpudl.ops.reduce import argmax as argmax
from gpudl.ops.reduce import argmin as argmin
from gpudl.ops.reduce import max as max
from gpudl.ops.reduce import mean as mean
from gpudl.ops.reduce import min as min
from gpudl.ops.reduce import sum as sum
from gpudl.ops.relu import relu as relu
from gpudl.ops.shape import broadcast_to as broadcast_to
from gpudl.ops.shape import cat as cat
from gpudl.ops.shape import flatten as flatten
from gpudl.ops.shape import permute as permute
from gpudl.ops.shape import permute_dims as permute_dims
from gpudl.ops.shape import reshape as reshape
from gpudl.ops.shape import squeeze as squeeze
from gpudl.ops.shape import stack as stack
from gpudl.ops.shape import t as t
from gpudl.ops.shape import transpose as transpose
from gpudl.ops.shape import unsqueeze as unsqueeze
from gpudl.ops.softmax import log_softmax as log_softmax
from gpudl.ops.softmax import softmax as softmax
from gpudl.random import initial_seed as initial_seed
from gpudl.random import manual_seed as manual_seed
from gpudl.version import __version__ as __version__

if TYPE_CHECKING:
    from gpudl import data as data
    from gpudl import nn as nn
    from gpudl import optim as optim

abs, clip, concatenate = _abs, clamp, cat
bool, half, float, double = bool_, float16, float32, float64
int, long = int32, int64

_register_namespace(Tensor, _sys.modules[__name__])


def __getattr__(name: str) -> _Any:
    """The wings that `import gpudl` leaves for when they are used: gpudl.nn, gpudl.optim, gpudl.data."""
    if name in ("data", "nn", "optim"):
        import importlib

        return importlib.import_module(f"gpudl.{name}")
    raise AttributeError(f"module 'gpudl' has no attribute {name!r}")
