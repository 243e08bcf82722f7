"""Linear algebra, under PyTorch's name for the collection: factorizations, systems, norms, functions of matrices.

All take batches, (..., rows, columns), and all have gradients of any order. Complex results, such as eig's, are not
had: eigh is for symmetric matrices.
"""

from gpudl.backend.errors import LinAlgError as LinAlgError
from gpudl.ops.factorize import *
from gpudl.ops.householder import *
from gpudl.ops.matmul import matmul as matmul
from gpudl.ops.matrix_functions import *
from gpudl.ops.matrix_norms import *
from gpudl.ops.matrix_products import *
from gpudl.ops.pinv import *
from gpudl.ops.solve import *
from gpudl.ops.triangular import *
