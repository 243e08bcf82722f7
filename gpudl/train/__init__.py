"""The Trainer, and training from a configuration file: what the commands call."""

from gpudl.train import callbacks as callbacks
from gpudl.train import metrics as metrics
from gpudl.train.callbacks import Callback as Callback
from gpudl.train.config import Config as Config
from gpudl.train.config import load_config as load_config
from gpudl.train.errors import CheckpointError as CheckpointError
from gpudl.train.errors import ConfigError as ConfigError
from gpudl.train.errors import RunError as RunError
from gpudl.train.errors import TrainingInterrupted as TrainingInterrupted
from gpudl.train.errors import WriteError as WriteError
from gpudl.train.loop import OpenRun as OpenRun
from gpudl.train.loop import Result as Result
from gpudl.train.loop import config_to_resume as config_to_resume
from gpudl.train.loop import evaluate_run as evaluate_run
from gpudl.train.loop import open_run as open_run
from gpudl.train.loop import train as train
from gpudl.train.overrides import Override as Override
from gpudl.train.register import register as register
from gpudl.train.subject import Subject as Subject
from gpudl.train.subject import subject as subject
from gpudl.train.trainer import Trainer as Trainer
