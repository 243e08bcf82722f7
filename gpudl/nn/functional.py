"""The operations of neural networks as functions, under PyTorch's name for the collection."""

from gpudl.ops.activations import *
from gpudl.ops.activations_in_place import *
from gpudl.ops.binary_losses import *
from gpudl.ops.class_losses import *
from gpudl.ops.cross_entropy import *
from gpudl.ops.elementwise import sigmoid as sigmoid
from gpudl.ops.elementwise import tanh as tanh
from gpudl.ops.elu import *
from gpudl.ops.gelu import *
from gpudl.ops.hardtanh import *
from gpudl.ops.likelihood_losses import *
from gpudl.ops.linear import *
from gpudl.ops.losses import *
from gpudl.ops.margin_losses import *
from gpudl.ops.prelu import *
from gpudl.ops.relu import *
from gpudl.ops.silu import *
from gpudl.ops.softmax import *
from gpudl.ops.softplus import *
from gpudl.ops.softsign import *
from gpudl.ops.threshold import *
