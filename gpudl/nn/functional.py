"""The operations of neural networks as functions, under PyTorch's name for the collection."""

from gpudl.ops.cross_entropy import cross_entropy as cross_entropy
from gpudl.ops.elementwise import sigmoid as sigmoid
from gpudl.ops.elementwise import tanh as tanh
from gpudl.ops.linear import linear as linear
from gpudl.ops.mse_loss import mse_loss as mse_loss
from gpudl.ops.relu import relu as relu
from gpudl.ops.softmax import log_softmax as log_softmax
from gpudl.ops.softmax import softmax as softmax
