"""Tools around layers: clipping, parametrized weights, fused layers, parameters as one vector, packed sequences."""

from gpudl.nn.utils import parametrizations as parametrizations
from gpudl.nn.utils import parametrize as parametrize
from gpudl.nn.utils import rnn as rnn
from gpudl.nn.utils.clip_grad import *
from gpudl.nn.utils.convert_parameters import *
from gpudl.nn.utils.fusion import *
from gpudl.nn.utils.init import *
from gpudl.nn.utils.spectral_norm import *
from gpudl.nn.utils.weight_norm import *
