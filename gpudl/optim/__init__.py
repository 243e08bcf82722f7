"""Optimizers, schedules of their learning rates, and averages of weights."""

from gpudl.optim import lr_scheduler as lr_scheduler
from gpudl.optim import swa_utils as swa_utils
from gpudl.optim.adam import *
from gpudl.optim.optimizer import *
from gpudl.optim.sgd import *
