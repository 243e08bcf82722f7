"""Streaming metrics: update with each batch where it is, compute once, reset. Names and meanings are torchmetrics'."""

from gpudl.train.metrics.base import Metric as Metric
from gpudl.train.metrics.classification import Accuracy as Accuracy
from gpudl.train.metrics.classification import ConfusionMatrix as ConfusionMatrix
from gpudl.train.metrics.classification import F1Score as F1Score
from gpudl.train.metrics.classification import FBetaScore as FBetaScore
from gpudl.train.metrics.classification import JaccardIndex as JaccardIndex
from gpudl.train.metrics.classification import Precision as Precision
from gpudl.train.metrics.classification import Recall as Recall
from gpudl.train.metrics.classification import TopKAccuracy as TopKAccuracy
from gpudl.train.metrics.mean import FunctionMetric as FunctionMetric
from gpudl.train.metrics.mean import MeanMetric as MeanMetric
from gpudl.train.metrics.names import get as get
from gpudl.train.metrics.ranking import AUROC as AUROC
from gpudl.train.metrics.ranking import AveragePrecision as AveragePrecision
from gpudl.train.metrics.regression import MeanAbsoluteError as MeanAbsoluteError
from gpudl.train.metrics.regression import MeanSquaredError as MeanSquaredError
from gpudl.train.metrics.regression import R2Score as R2Score
from gpudl.train.metrics.text import BLEUScore as BLEUScore
from gpudl.train.metrics.text import Perplexity as Perplexity
