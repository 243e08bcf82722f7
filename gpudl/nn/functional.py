"""The operations of neural networks as functions, under PyTorch's name for the collection."""

from gpudl.ops.cross_entropy import *
from gpudl.ops.distance import pdist as pdist
from gpudl.ops.exponential import sigmoid as sigmoid
from gpudl.ops.grid_sample import *
from gpudl.ops.interpolate import *
from gpudl.ops.linear import *
from gpudl.ops.mse_loss import *
from gpudl.ops.pad import *
from gpudl.ops.pixel_shuffle import *
from gpudl.ops.relu import *
from gpudl.ops.softmax import *
from gpudl.ops.trigonometry import tanh as tanh
