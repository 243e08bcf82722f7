"""Reverse-mode differentiation of whatever is computed with Tensors."""

from gpudl.autograd import residents as residents
from gpudl.autograd.function import Function as Function
from gpudl.autograd.functional import backward as backward
from gpudl.autograd.functional import grad as grad
from gpudl.autograd.grad_mode import enable_grad as enable_grad
from gpudl.autograd.grad_mode import inference_mode as inference_mode
from gpudl.autograd.grad_mode import is_grad_enabled as is_grad_enabled
from gpudl.autograd.grad_mode import is_inference_mode_enabled as is_inference_mode_enabled
from gpudl.autograd.grad_mode import no_grad as no_grad
from gpudl.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from gpudl.autograd.gradcheck import GradcheckError as GradcheckError
from gpudl.autograd.gradcheck import gradcheck as gradcheck
from gpudl.autograd.gradcheck import gradgradcheck as gradgradcheck
from gpudl.autograd.node import Node as Node
from gpudl.autograd.primitive import Primitive as Primitive
from gpudl.autograd.tensor import Tensor as Tensor
from gpudl.backend.determinism import nondeterministic as nondeterministic
