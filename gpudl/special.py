"""Special functions under the names of torch.special."""

from gpudl.ops.elementwise import sigmoid as expit
from gpudl.ops.erf import erf as erf
from gpudl.ops.erf import erfc as erfc
from gpudl.ops.erf import erfinv as erfinv
from gpudl.ops.softmax import log_softmax as log_softmax
from gpudl.ops.softmax import softmax as softmax

__all__ = ["erf", "erfc", "erfinv", "expit", "log_softmax", "softmax"]
