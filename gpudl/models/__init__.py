"""Models of the literature, under the names of their parameters in PyTorch's world, to be trained or read.

Each is a short file in the part of gpudl that PyTorch has under the same names: with `gpudl` replaced by `torch` it is
the same model in PyTorch. Only GPT is not: it is made of layers for generation that PyTorch does not have.
"""

from gpudl.models.autoencoder import *
from gpudl.models.dcgan import *
from gpudl.models.gpt import *
from gpudl.models.lenet import *
from gpudl.models.lstm_classifier import *
from gpudl.models.lstm_lm import *
from gpudl.models.mlp import *
from gpudl.models.mobilenet import *
from gpudl.models.resnet import *
from gpudl.models.sampling import *
from gpudl.models.unet import *
from gpudl.models.vgg import *
from gpudl.models.vit import *
