"""Parametrizations of both libraries, and layers that have them."""

import pytest
from twins import array

import gpudl

torch = pytest.importorskip("torch")

LIBRARIES = (gpudl, torch)


class Zoo:
    """Parametrizations of a library."""

    def __init__(self, lib):
        class Symmetric(lib.nn.Module):
            def forward(self, X):
                return X.triu() + X.triu(1).T

            def right_inverse(self, A):
                return A.triu()

        class Skew(lib.nn.Module):
            def forward(self, X):
                return X.triu(1) - X.triu(1).T

        class Doubled(lib.nn.Module):
            def forward(self, X):
                return X * 2

            def right_inverse(self, A):
                return A / 2

        class Outer(lib.nn.Module):
            def forward(self, x, y):
                return x[:, None] * y

            def right_inverse(self, Z):
                return Z[:, 0].clone(), Z[0].clone()

        class Sum(lib.nn.Module):
            def forward(self, *parts):
                return parts[0] + parts[1] + parts[2]

            def right_inverse(self, Z):
                return [Z / 2, Z / 4, Z / 4]

        class Bias(lib.nn.Module):
            """With a parameter of its own."""

            def __init__(self):
                super().__init__()
                self.shift = lib.nn.Parameter(lib.ones(1) / 4)

            def forward(self, X):
                return X + self.shift

        class Refuses(lib.nn.Module):
            def forward(self, X):
                return X + 1

            def right_inverse(self, A):
                raise NotImplementedError

        class Returns(lib.nn.Module):
            """Whatever it is told to."""

            def __init__(self, forward, inverse=None):
                super().__init__()
                self.gives = forward
                if inverse is not None:
                    self.right_inverse = inverse

            def forward(self, *X):
                return self.gives(*X)

        self.__dict__.update({name: value for name, value in locals().items() if name not in ("self", "lib")})


ZOO = {lib: Zoo(lib) for lib in LIBRARIES}


def tools(lib):
    return lib.nn.utils.parametrize


def linear(lib, *parametrizations, name="weight", features=(3, 3), **settings):
    """A Linear with the same values in both libraries, parametrized."""
    layer = lib.nn.Linear(*features)
    layer.weight.data = lib.tensor(array(*features[::-1]))
    layer.bias.data = lib.tensor(array(features[1], seed=1))
    for each in parametrizations:
        tools(lib).register_parametrization(layer, name, getattr(ZOO[lib], each)(), **settings)
    return layer


STACKS = [
    ("Symmetric",),
    ("Skew",),
    ("Doubled",),
    ("Outer",),
    ("Sum",),
    ("Bias",),
    ("Refuses",),
    ("Symmetric", "Doubled"),
    ("Outer", "Doubled", "Bias"),
    ("Doubled", "Skew"),
    ("Bias", "Refuses"),
]
