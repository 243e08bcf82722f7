"""Layers, losses and the Module they are built on."""

from gpudl.nn import functional as functional
from gpudl.nn import init as init
from gpudl.nn import utils as utils
from gpudl.nn.activation import *
from gpudl.nn.adaptive_pool import *
from gpudl.nn.adaptive_softmax import *
from gpudl.nn.attention import *
from gpudl.nn.avg_pool import *
from gpudl.nn.batch_norm import *
from gpudl.nn.causal_attention import *
from gpudl.nn.class_losses import *
from gpudl.nn.containers import *
from gpudl.nn.conv import *
from gpudl.nn.conv_transpose import *
from gpudl.nn.distance import *
from gpudl.nn.dropout import *
from gpudl.nn.embedding import *
from gpudl.nn.flatten import *
from gpudl.nn.fold import *
from gpudl.nn.fractional_max_pool import *
from gpudl.nn.hooks import *
from gpudl.nn.instance_norm import *
from gpudl.nn.kv_cache import *
from gpudl.nn.lazy import *
from gpudl.nn.lazy_layers import *
from gpudl.nn.likelihood_losses import *
from gpudl.nn.linear import *
from gpudl.nn.linear_cross_entropy import *
from gpudl.nn.loss import *
from gpudl.nn.margin_losses import *
from gpudl.nn.max_pool import *
from gpudl.nn.module import Module as Module
from gpudl.nn.normalization import *
from gpudl.nn.padding import *
from gpudl.nn.parameter import Buffer as Buffer
from gpudl.nn.parameter import Parameter as Parameter
from gpudl.nn.parameter_containers import *
from gpudl.nn.rectifiers import *
from gpudl.nn.recurrent import *
from gpudl.nn.recurrent_base import *
from gpudl.nn.recurrent_cells import *
from gpudl.nn.resample import *
from gpudl.nn.rotary import *
from gpudl.nn.shuffle import *
from gpudl.nn.softmax import *
from gpudl.nn.transformer import *
from gpudl.nn.transformer_layers import *
from gpudl.nn.uninitialized import *
