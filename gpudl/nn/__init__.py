"""Layers, losses and the Module they are built on."""

from gpudl.nn import functional as functional
from gpudl.nn import init as init
from gpudl.nn.activation import *
from gpudl.nn.attention import *
from gpudl.nn.causal_attention import *
from gpudl.nn.containers import *
from gpudl.nn.dropout import *
from gpudl.nn.flatten import *
from gpudl.nn.kv_cache import *
from gpudl.nn.linear import *
from gpudl.nn.loss import *
from gpudl.nn.module import Module as Module
from gpudl.nn.normalization import *
from gpudl.nn.parameter import Parameter as Parameter
from gpudl.nn.rotary import *
from gpudl.nn.transformer import *
from gpudl.nn.transformer_layers import *
