"""Layers, losses and the Module they are built on."""

from gpudl.nn import functional as functional
from gpudl.nn import init as init
from gpudl.nn.layers import Flatten as Flatten
from gpudl.nn.layers import Identity as Identity
from gpudl.nn.layers import Linear as Linear
from gpudl.nn.layers import LogSoftmax as LogSoftmax
from gpudl.nn.layers import ReLU as ReLU
from gpudl.nn.layers import Sequential as Sequential
from gpudl.nn.layers import Sigmoid as Sigmoid
from gpudl.nn.layers import Softmax as Softmax
from gpudl.nn.layers import Tanh as Tanh
from gpudl.nn.loss import CrossEntropyLoss as CrossEntropyLoss
from gpudl.nn.loss import MSELoss as MSELoss
from gpudl.nn.module import Module as Module
from gpudl.nn.parameter import Parameter as Parameter
