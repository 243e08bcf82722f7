"""Keras' way to say it: `from gpudl import keras` in place of `from tensorflow import keras`, for models in sequence.

    model = keras.Sequential([keras.layers.Dense(units=1, input_shape=(1,))])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    model.fit(X, Y, epochs=1000)

A façade, not a second layer library: a model's `module` is the gpudl.nn.Sequential it is made of, with Keras' defaults
and initial values, and what trains it are gpudl's optimizers and losses. Arrays go in and come out as in Keras: batch
first, channels last. For what is not here (the functional API, several inputs) there is gpudl.nn.
"""

from gpudl.keras import callbacks as callbacks
from gpudl.keras import layers as layers
from gpudl.keras import losses as losses
from gpudl.keras import metrics as metrics
from gpudl.keras import optimizers as optimizers
from gpudl.keras import utils as utils
from gpudl.keras.history import History as History
from gpudl.keras.layers import Input as Input
from gpudl.keras.model import Sequential as Sequential
