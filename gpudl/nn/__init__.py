"""Layers, losses and the Module they are built on."""

from gpudl.nn import functional as functional
from gpudl.nn import init as init
from gpudl.nn import utils as utils
from gpudl.nn.activation import *
from gpudl.nn.containers import *
from gpudl.nn.flatten import *
from gpudl.nn.linear import *
from gpudl.nn.loss import *
from gpudl.nn.module import Module as Module
from gpudl.nn.parameter import Parameter as Parameter
