"""Optimizers, schedules of their learning rates, and averages of weights."""

from gpudl.optim import lr_scheduler as lr_scheduler
from gpudl.optim import residents as residents
from gpudl.optim import swa_utils as swa_utils
from gpudl.optim.adadelta import *
from gpudl.optim.adafactor import *
from gpudl.optim.adagrad import *
from gpudl.optim.adam import *
from gpudl.optim.adamax import *
from gpudl.optim.asgd import *
from gpudl.optim.lamb import *
from gpudl.optim.lbfgs import *
from gpudl.optim.lion import *
from gpudl.optim.muon import *
from gpudl.optim.nadam import *
from gpudl.optim.optimizer import *
from gpudl.optim.radam import *
from gpudl.optim.rmsprop import *
from gpudl.optim.rprop import *
from gpudl.optim.sgd import *
