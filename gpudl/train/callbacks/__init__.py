"""Callbacks: what happens beside the steps of a Trainer."""

from gpudl.train.callbacks.base import Callback as Callback
from gpudl.train.callbacks.checkpoint import Checkpoint as Checkpoint
from gpudl.train.callbacks.early_stopping import EarlyStopping as EarlyStopping
from gpudl.train.callbacks.histograms import Histograms as Histograms
from gpudl.train.callbacks.loggers import CSVLogger as CSVLogger
from gpudl.train.callbacks.loggers import JSONLinesLogger as JSONLinesLogger
from gpudl.train.callbacks.loggers import LearningRateMonitor as LearningRateMonitor
from gpudl.train.callbacks.nan_locator import FiniteWatch as FiniteWatch
from gpudl.train.callbacks.nan_locator import NanLocator as NanLocator
from gpudl.train.callbacks.nan_locator import NonFiniteError as NonFiniteError
from gpudl.train.callbacks.tensorboard import TensorBoard as TensorBoard
