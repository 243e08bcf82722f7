"""Helpers for layers and their inputs."""

from gpudl.nn.utils import rnn as rnn
