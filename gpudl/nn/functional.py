"""The operations of neural networks as functions, under PyTorch's name for the collection."""

from gpudl.ops.activations import *
from gpudl.ops.activations_in_place import *
from gpudl.ops.adaptive_pool import *
from gpudl.ops.avg_pool2d import *
from gpudl.ops.batch_norm import *
from gpudl.ops.binary_losses import *
from gpudl.ops.class_losses import *
from gpudl.ops.conv import *
from gpudl.ops.cross_entropy import *
from gpudl.ops.ctc_loss import *
from gpudl.ops.distance import pdist as pdist
from gpudl.ops.dropout import *
from gpudl.ops.dropout_features import *
from gpudl.ops.elu import *
from gpudl.ops.embedding import *
from gpudl.ops.embedding_bag import *
from gpudl.ops.exponential import sigmoid as sigmoid
from gpudl.ops.fractional_max_pool import *
from gpudl.ops.gelu import *
from gpudl.ops.glu import *
from gpudl.ops.grid_sample import *
from gpudl.ops.group_norm import *
from gpudl.ops.gumbel_softmax import *
from gpudl.ops.hardtanh import *
from gpudl.ops.instance_norm import *
from gpudl.ops.interpolate import *
from gpudl.ops.layer_norm import *
from gpudl.ops.likelihood_losses import *
from gpudl.ops.linear import *
from gpudl.ops.linear_cross_entropy import *
from gpudl.ops.local_response_norm import *
from gpudl.ops.losses import *
from gpudl.ops.margin_losses import *
from gpudl.ops.max_pool2d import *
from gpudl.ops.max_unpool import *
from gpudl.ops.multi_head_attention import *
from gpudl.ops.normalize import *
from gpudl.ops.pad import *
from gpudl.ops.pixel_shuffle import *
from gpudl.ops.pooling import *
from gpudl.ops.prelu import *
from gpudl.ops.relu import *
from gpudl.ops.rms_norm import *
from gpudl.ops.rnn import *
from gpudl.ops.rotary_embedding import *
from gpudl.ops.scaled_dot_product_attention import *
from gpudl.ops.silu import *
from gpudl.ops.similarity import *
from gpudl.ops.softmax import *
from gpudl.ops.softplus import *
from gpudl.ops.softsign import *
from gpudl.ops.threshold import *
from gpudl.ops.trigonometry import tanh as tanh
from gpudl.ops.unfold import *
