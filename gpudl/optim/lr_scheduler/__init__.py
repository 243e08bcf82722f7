"""Schedules: learning rates that change from step to step, of every parameter group and composable."""

from gpudl.optim.lr_scheduler.base import *
from gpudl.optim.lr_scheduler.base import LRScheduler as _LRScheduler  # noqa: F401  users' schedules derive from it
from gpudl.optim.lr_scheduler.composed import *
from gpudl.optim.lr_scheduler.cosine import *
from gpudl.optim.lr_scheduler.cyclic import *
from gpudl.optim.lr_scheduler.one_cycle import *
from gpudl.optim.lr_scheduler.plateau import *
from gpudl.optim.lr_scheduler.stepwise import *
