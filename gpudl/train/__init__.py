"""Training from a configuration file: what `gpudl train` and `gpudl test` call."""

from gpudl.train.config import Config as Config
from gpudl.train.config import load_config as load_config
from gpudl.train.errors import ConfigError as ConfigError
from gpudl.train.errors import RunError as RunError
from gpudl.train.errors import TrainingInterrupted as TrainingInterrupted
from gpudl.train.errors import WriteError as WriteError
from gpudl.train.loop import Result as Result
from gpudl.train.loop import Scores as Scores
from gpudl.train.loop import evaluate as evaluate
from gpudl.train.loop import evaluate_run as evaluate_run
from gpudl.train.loop import train as train
from gpudl.train.overrides import Override as Override
