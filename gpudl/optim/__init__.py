"""Optimizers."""

from gpudl.optim.adam import *
from gpudl.optim.optimizer import *
from gpudl.optim.sgd import *
