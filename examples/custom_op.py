"""An operation of your own, two ways: Swish, x * sigmoid(x), which some networks use in place of ReLU.

    python examples/custom_op.py [--device cuda] [--epochs 300] [--seed 0]

As a Function it is written on Tensors, with PyTorch's contract. As a Primitive it is written on arrays, which is how
gpudl's own operations are made: it is faster, and its kernels may get other bodies, here CUDA kernels, which a GPU runs
and --device sim as well, for tests without one. Either way, write down the gradient and let gradcheck compare it with a
numerical one. Both then fit the same curve.
Progress goes to stderr, the result to stdout.
"""

import argparse
import sys
from functools import cache

import numpy as np

import gpudl
from gpudl import nn, optim
from gpudl.autograd import Function, Primitive, gradcheck, gradgradcheck
from gpudl.backend.arrays import xp_of
from gpudl.backend.kernel import kernel

# 1. A Function: forward and backward take and return Tensors. What backward needs is saved on ctx. Since backward
#    is made of operations on Tensors, it can be differentiated itself.


class SwishFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return dy * s * (1 + x * (1 - s))


# 2. A Primitive on kernels: functions of arrays, NumPy's on the CPU and CuPy's on a GPU; `xp_of(x)` is the module that
#    belongs to x. When the gradient is to be differentiated again, the same body runs on Tensors, and xp is gpudl.


@kernel
def swish_forward(x):
    """y = x / (1 + exp(-x)), by way of tanh, which does not overflow."""
    return x * (xp_of(x).tanh(x * 0.5) * 0.5 + 0.5)


@kernel
def swish_backward(dy, x):
    """dx = dy s (1 + x (1 - s)), s = sigmoid(x)."""
    s = xp_of(x).tanh(x * 0.5) * 0.5 + 0.5
    return dy * s * (1 + x * (1 - s))


# 3. CUDA kernels, which take the place of these bodies on CUDA devices, for the dtypes that are listed. What they must
#    give is what the bodies above give.

CUDA = r"""
template <typename T> __global__ void swish_forward(const T* x, T* y, long long count) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < count) y[i] = x[i] / (1 + exp(-x[i]));
}

template <typename T> __global__ void swish_backward(const T* dy, const T* x, T* dx, long long count) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= count) return;
  T s = 1 / (1 + exp(-x[i]));
  dx[i] = dy[i] * s * (1 + x[i] * (1 - s));
}
"""


@cache
def compiled(cupy, name, element):
    """CuPy compiles the text when this is first called, by NVRTC, or for sim by the host's C++ compiler."""
    name = f"{name}<{element}>"
    return cupy.RawModule(code=CUDA, name_expressions=[name]).get_function(name)


def launch(name, *arrays):
    """One thread for each element. A kernel sees pointers, not strides: what has gaps is copied."""
    cupy = xp_of(arrays[0])
    arrays = [cupy.asarray(array, order="C") for array in arrays]
    result = cupy.empty_like(arrays[0])
    if result.size:
        element = {"float32": "float", "float64": "double"}[result.dtype.name]
        blocks = -(-result.size // 256)
        compiled(cupy, name, element)((blocks,), (256,), (*arrays, result, result.size))
    return result


@swish_forward.cuda("float32", "float64")
def swish_forward_cuda(x):
    return launch("swish_forward", x)


@swish_backward.cuda("float32", "float64")
def swish_backward_cuda(dy, x):
    return launch("swish_backward", dy, x)


# The Primitive puts forward and backward together.


class Swish(Primitive):
    def forward(ctx, x):
        ctx.save(x)
        return swish_forward(x)

    def backward(ctx, dy):
        (x,) = ctx.saved
        return swish_backward(dy, x)


class Activation(nn.Module):
    """Either of the two as a layer."""

    def __init__(self, operation):
        super().__init__()
        self.operation = operation

    def forward(self, x):
        return self.operation(x)


def check(operation, device):
    """First and second derivatives against numerical ones, in float64; raises GradcheckError if they differ."""
    x = gpudl.randn(4, 3, dtype=gpudl.float64, device=device).requires_grad_()
    gradcheck(operation, x)
    gradgradcheck(operation, x)


def fit(operation, epochs, device):
    """The mean squared error of a small network with this activation on y = sin(3 x), when it has been trained."""
    points = np.linspace(-1, 1, 128, dtype=np.float32).reshape(-1, 1)
    x, y = gpudl.from_numpy(points).to(device), gpudl.from_numpy(np.sin(3 * points)).to(device)
    model = nn.Sequential(nn.Linear(1, 32), Activation(operation), nn.Linear(32, 1)).to(device)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    for _ in range(epochs):
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    with gpudl.no_grad():
        return criterion(model(x), y).item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, sim or auto (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=300, help="steps of each of the two fits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")

    try:
        device = gpudl.device(args.device)
        gpudl.zeros(1, device=device)
    except gpudl.DeviceError as error:
        print(f"custom_op: {error}", file=sys.stderr)
        return 2

    for name, operation in (("Function", SwishFunction.apply), ("Primitive", Swish.apply)):
        gpudl.manual_seed(args.seed)
        check(operation, device)
        print(f"{name}: first and second derivatives are right; fitting ...", file=sys.stderr)
        gpudl.manual_seed(args.seed)
        print(f"{name}: mean squared error {fit(operation, args.epochs, device):.2e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
