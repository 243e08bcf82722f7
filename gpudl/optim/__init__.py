"""Optimizers."""

from gpudl.optim.adam import Adam as Adam
from gpudl.optim.adam import AdamW as AdamW
from gpudl.optim.optimizer import Optimizer as Optimizer
from gpudl.optim.sgd import SGD as SGD
