"""Special functions under the names of torch.special."""

from gpudl.ops.erf import *
from gpudl.ops.exponential import exp2 as exp2
from gpudl.ops.exponential import expm1 as expm1
from gpudl.ops.exponential import log1p as log1p
from gpudl.ops.exponential import logit as logit
from gpudl.ops.exponential import xlogy as xlogy
from gpudl.ops.gamma import digamma as digamma
from gpudl.ops.gamma import lgamma as _lgamma
from gpudl.ops.gamma import mvlgamma as _mvlgamma
from gpudl.ops.gamma import polygamma as polygamma
from gpudl.ops.gamma import zeta as zeta
from gpudl.ops.logsumexp import logsumexp as logsumexp
from gpudl.ops.rounding import round as round
from gpudl.ops.sigmoid import sigmoid as _sigmoid
from gpudl.ops.softmax import *
from gpudl.ops.trigonometry import sinc as sinc

expit, gammaln, multigammaln, psi = _sigmoid, _lgamma, _mvlgamma, digamma
