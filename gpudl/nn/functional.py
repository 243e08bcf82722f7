"""The operations of neural networks as functions, under PyTorch's name for the collection."""

from gpudl.ops.batch_norm import *
from gpudl.ops.cross_entropy import *
from gpudl.ops.dropout import *
from gpudl.ops.dropout_features import *
from gpudl.ops.elementwise import sigmoid as sigmoid
from gpudl.ops.elementwise import tanh as tanh
from gpudl.ops.embedding import *
from gpudl.ops.embedding_bag import *
from gpudl.ops.group_norm import *
from gpudl.ops.instance_norm import *
from gpudl.ops.layer_norm import *
from gpudl.ops.linear import *
from gpudl.ops.local_response_norm import *
from gpudl.ops.mse_loss import *
from gpudl.ops.normalize import *
from gpudl.ops.relu import *
from gpudl.ops.rms_norm import *
from gpudl.ops.scaled_dot_product_attention import *
from gpudl.ops.similarity import *
from gpudl.ops.softmax import *
