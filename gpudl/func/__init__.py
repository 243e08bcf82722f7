"""Functions of functions of tensors: derivatives of any order, and mapping over a batch."""

from gpudl.func.derivatives import grad as grad
from gpudl.func.derivatives import grad_and_value as grad_and_value
from gpudl.func.derivatives import jvp as jvp
from gpudl.func.derivatives import vjp as vjp
from gpudl.func.functional_call import functional_call as functional_call
from gpudl.func.jacobians import hessian as hessian
from gpudl.func.jacobians import jacfwd as jacfwd
from gpudl.func.jacobians import jacrev as jacrev
from gpudl.func.vmap import vmap as vmap
