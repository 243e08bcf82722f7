"""gpudl: one autograd and one layer library, on NumPy for the CPU and, with the same code, on GPUs.

Each file of gpudl/ops says in __all__ which operations it makes public; this file, gpudl.nn.functional, gpudl.linalg
and gpudl.special gather them under PyTorch's names.
"""

import sys as _sys
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING
from typing import Any as _Any

from numpy import dtype as dtype

from gpudl import autograd as autograd
from gpudl import ops as ops
from gpudl import random as random
from gpudl import special as special
from gpudl.autograd import enable_grad as enable_grad
from gpudl.autograd import inference_mode as inference_mode
from gpudl.autograd import is_grad_enabled as is_grad_enabled
from gpudl.autograd import no_grad as no_grad
from gpudl.autograd import set_grad_enabled as set_grad_enabled
from gpudl.autograd.tensor import Tensor as Tensor
from gpudl.backend.arrays import register_namespace as _register_namespace
from gpudl.backend.debug import debug as debug
from gpudl.backend.determinism import DeterminismError as DeterminismError
from gpudl.backend.determinism import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from gpudl.backend.determinism import deterministic as deterministic
from gpudl.backend.determinism import get_deterministic_debug_mode as get_deterministic_debug_mode
from gpudl.backend.determinism import is_deterministic as is_deterministic
from gpudl.backend.determinism import (
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
)
from gpudl.backend.determinism import set_deterministic_debug_mode as set_deterministic_debug_mode
from gpudl.backend.determinism import use_deterministic_algorithms as use_deterministic_algorithms
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
from gpudl.backend.errors import OutOfMemoryError as OutOfMemoryError
from gpudl.backend.errors import ShapeError as ShapeError
from gpudl.backend.precision import get_float32_matmul_precision as get_float32_matmul_precision
from gpudl.backend.precision import set_float32_matmul_precision as set_float32_matmul_precision
from gpudl.backend.strict import StrictError as StrictError
from gpudl.backend.strict import strict as strict
from gpudl.ops.activations import celu as celu
from gpudl.ops.activations import rrelu as rrelu
from gpudl.ops.activations import selu as selu
from gpudl.ops.activations_in_place import celu_ as celu_
from gpudl.ops.activations_in_place import relu_ as relu_
from gpudl.ops.activations_in_place import rrelu_ as rrelu_
from gpudl.ops.activations_in_place import selu_ as selu_
from gpudl.ops.activations_in_place import threshold_ as threshold_
from gpudl.ops.adaptive_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from gpudl.ops.adaptive_pool import adaptive_max_pool1d_with_indices as adaptive_max_pool1d  # noqa: F401
from gpudl.ops.arithmetic import *
from gpudl.ops.cast import *
from gpudl.ops.comparison import *
from gpudl.ops.conv import *
from gpudl.ops.convolution import *
from gpudl.ops.create import *
from gpudl.ops.cumsum import *
from gpudl.ops.cumulative import *
from gpudl.ops.diagonal import *
from gpudl.ops.dims import *
from gpudl.ops.distance import *
from gpudl.ops.distributions import *
from gpudl.ops.dtype_info import *
from gpudl.ops.einsum import *
from gpudl.ops.elementwise import *
from gpudl.ops.erf import *
from gpudl.ops.exp import *
from gpudl.ops.exponential import *
from gpudl.ops.extreme import *
from gpudl.ops.floats import *
from gpudl.ops.gamma import *
from gpudl.ops.gather import *
from gpudl.ops.generator import *
from gpudl.ops.group_norm import *
from gpudl.ops.gru import *
from gpudl.ops.histogram import *
from gpudl.ops.index_along import *
from gpudl.ops.interchange import *
from gpudl.ops.join import *
from gpudl.ops.layer_norm import *
from gpudl.ops.linalg_names import *
from gpudl.ops.logcumsumexp import *
from gpudl.ops.logic import *
from gpudl.ops.logsumexp import *
from gpudl.ops.lstm import *
from gpudl.ops.masks import *
from gpudl.ops.matmul import *
from gpudl.ops.max_pool2d import *
from gpudl.ops.norm import *
from gpudl.ops.operands import result_type as result_type
from gpudl.ops.pixel_shuffle import *
from gpudl.ops.pooling import avg_pool1d as avg_pool1d
from gpudl.ops.pooling import max_pool1d as max_pool1d
from gpudl.ops.pooling import max_pool1d_with_indices as max_pool1d_with_indices
from gpudl.ops.pooling import max_pool3d as max_pool3d
from gpudl.ops.positional import *
from gpudl.ops.powers import *
from gpudl.ops.prelu import prelu as prelu
from gpudl.ops.prod import *
from gpudl.ops.products import *
from gpudl.ops.quantile import *
from gpudl.ops.ranges import *
from gpudl.ops.rearrange import *
from gpudl.ops.recurrent_cells import *
from gpudl.ops.reduce import *
from gpudl.ops.relu import *
from gpudl.ops.rms_norm import *
from gpudl.ops.rounding import *
from gpudl.ops.sample import *
from gpudl.ops.search import *
from gpudl.ops.shape import *
from gpudl.ops.sigmoid import *
from gpudl.ops.similarity import *
from gpudl.ops.softmax import *
from gpudl.ops.sort import *
from gpudl.ops.split import *
from gpudl.ops.sqrt import *
from gpudl.ops.statistics import *
from gpudl.ops.ternary import *
from gpudl.ops.threshold import hardshrink as hardshrink
from gpudl.ops.threshold import threshold as threshold
from gpudl.ops.trigonometry import *
from gpudl.ops.variance import *
from gpudl.ops.view_copy import *
from gpudl.random import initial_seed as initial_seed
from gpudl.random import manual_seed as manual_seed
from gpudl.version import __version__ as __version__

if TYPE_CHECKING:
    from gpudl import amp as amp
    from gpudl import bench as bench
    from gpudl import compare as compare
    from gpudl import cuda as cuda
    from gpudl import data as data
    from gpudl import func as func
    from gpudl import keras as keras
    from gpudl import linalg as linalg
    from gpudl import models as models
    from gpudl import nn as nn
    from gpudl import optim as optim
    from gpudl import train as train

bool, half, float, double = bool_, float16, float32, float64
short, int, long = int16, int32, int64
Size, newaxis = tuple, None

_WINGS = {
    *("amp", "bench", "compare", "cuda", "data", "func", "keras", "linalg", "models", "nn", "optim", "train"),
}

_register_namespace(Tensor, _sys.modules[__name__])


def __getattr__(name: str) -> _Any:
    """What `import gpudl` leaves for when it is used: its wings, and bfloat16."""
    if name == "vmap":
        from gpudl.func.vmap import vmap

        return vmap
    if name == "bfloat16":
        from gpudl.backend.dtypes import bfloat16

        return bfloat16()
    if name in _WINGS:
        import importlib

        return importlib.import_module(f"gpudl.{name}")
    raise AttributeError(f"module 'gpudl' has no attribute {name!r}")
