"""The operations. Importing this package also gives Tensor its methods and operators."""

from gpudl.ops import methods as methods
