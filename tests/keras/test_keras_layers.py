"""Keras' layers: shapes, values, initial weights, and TensorFlow's padding, against what the formulas say."""

import numpy as np
import pytest

import gpudl
from gpudl import keras, nn
from gpudl.keras import layers


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def array(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def output(layer, x):
    return keras.Sequential([layer]).predict(x)


def padded_windows(x, kernel, strides, padding, filler):
    """(batch, rows, columns, *kernel, channels): TensorFlow's windows of channels-last images, one by one."""
    sizes = x.shape[1:3]
    if padding == "same":
        counts = [-(-n // s) for n, s in zip(sizes, strides)]
        missing = [max((c - 1) * s + k - n, 0) for c, s, k, n in zip(counts, strides, kernel, sizes)]
        sides = [(m // 2, m - m // 2) for m in missing]
        x = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=filler)
    else:
        counts = [(n - k) // s + 1 for n, s, k in zip(sizes, strides, kernel)]
    out = np.empty((len(x), *counts, *kernel, x.shape[-1]), x.dtype)
    for i in range(counts[0]):
        for j in range(counts[1]):
            a, b = i * strides[0], j * strides[1]
            out[:, i, j] = x[:, a : a + kernel[0], b : b + kernel[1]]
    return out


CASES = [
    (kernel, strides, padding)
    for kernel in ((3, 3), (2, 3), (1, 1))
    for strides in ((1, 1), (2, 3))
    for padding in ("valid", "same")
]


@pytest.mark.parametrize(("kernel", "strides", "padding"), CASES)
def test_convolution_of_images(kernel, strides, padding):
    x = array(2, 7, 8, 3)
    layer = layers.Conv2D(4, kernel, strides, padding=padding, bias_initializer="random_normal")
    got = output(layer, x)
    windows = padded_windows(x, kernel, strides, padding, 0.0)
    want = np.einsum("bijklc,klco->bijo", windows, layer.kernel) + layer.bias
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert layer.output_shape == got.shape[1:]
    assert layer.kernel.shape == (*kernel, 3, 4)


@pytest.mark.parametrize(("kernel", "strides", "padding"), CASES)
def test_pooling_of_images(kernel, strides, padding):
    x = array(2, 7, 8, 3)
    windows = padded_windows(x, kernel, strides, padding, np.nan)
    settings = {"pool_size": kernel, "strides": strides, "padding": padding}
    np.testing.assert_allclose(output(layers.MaxPooling2D(**settings), x), np.nanmax(windows, (3, 4)), atol=1e-6)
    np.testing.assert_allclose(output(layers.AveragePooling2D(**settings), x), np.nanmean(windows, (3, 4)), atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2])
def test_convolution_of_sequences(padding, strides):
    x = array(2, 8, 3)
    layer = layers.Conv1D(4, 3, strides=strides, padding=padding, activation="relu")
    windows = padded_windows(x[:, None], (1, 3), (1, strides), padding, 0.0)[:, 0, :, 0]
    want = np.maximum(np.einsum("bikc,kco->bio", windows, layer_kernel := output_kernel(layer, x)), 0)
    np.testing.assert_allclose(output(layer, x), want, atol=1e-5)
    assert layer_kernel.shape == (3, 3, 4)


def output_kernel(layer, x):
    layer.build(x.shape[1:])
    return layer.kernel


def test_global_pooling_flatten_and_reshape():
    x = array(2, 3, 4, 5)
    np.testing.assert_allclose(output(layers.GlobalAveragePooling2D(), x), x.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(output(layers.GlobalMaxPooling2D(), x), x.max((1, 2)))
    np.testing.assert_array_equal(output(layers.Flatten(), x), x.reshape(2, -1))
    np.testing.assert_array_equal(output(layers.Reshape((-1, 6)), x), x.reshape(2, -1, 6))


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("relu", lambda z: np.maximum(z, 0)),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("tanh", np.tanh),
        ("softmax", lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True)),
        ("linear", lambda z: z),
        (None, lambda z: z),
        ("leaky_relu", lambda z: np.where(z > 0, z, 0.2 * z)),
        ("swish", lambda z: z / (1 + np.exp(-z))),
        (gpudl.exp, np.exp),
        (nn.Tanh(), np.tanh),
    ],
)
def test_dense_and_activations(activation, formula):
    x = array(4, 2, 3)
    layer = layers.Dense(5, activation=activation)
    got = output(layer, x)
    np.testing.assert_allclose(got, formula(x @ layer.kernel + layer.bias), atol=1e-5)
    np.testing.assert_allclose(output(layers.Activation(activation), x), formula(x), atol=1e-5)


def test_dense_without_bias():
    layer = layers.Dense(3, use_bias=False)
    output(layer, array(2, 4))
    assert layer.bias is None and len(layer.get_weights()) == 1


def test_normalization():
    x = array(50, 6) * 3 + 2
    model = keras.Sequential([layers.BatchNormalization(input_shape=(6,))])
    model.module.train()
    y = model(x).detach().numpy()
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), atol=1e-4)
    np.testing.assert_allclose(model.get_weights()[2], 0.01 * x.mean(0), atol=1e-5)
    assert [w.shape for w in model.get_weights()] == [(6,)] * 4 and model.count_params() == 24
    images = array(3, 4, 4, 2)
    y = keras.Sequential([layers.BatchNormalization(input_shape=(4, 4, 2))])(images).detach().numpy()
    want = (images - images.mean((0, 1, 2))) / np.sqrt(images.var((0, 1, 2)) + 1e-3)
    np.testing.assert_allclose(y, want, atol=1e-4)
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(output(layers.LayerNormalization(), x), want, atol=1e-4)


def test_dropout_is_for_training_only():
    x = np.ones((1000, 4), "float32")
    model = keras.Sequential([layers.Dropout(0.25, input_shape=(4,))])
    assert (model.predict(x) == 1).all()
    model.module.train()
    y = model(x).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    assert abs((y == 0).mean() - 0.25) < 0.03


def test_embedding_of_integers():
    layer = layers.Embedding(10, 4)
    x = np.array([[1, 2, 9], [0, 0, 3]])
    got = keras.Sequential([layer]).predict(x)
    np.testing.assert_array_equal(got, layer.get_weights()[0][x])
    assert abs(layer.get_weights()[0]).max() <= 0.05


@pytest.mark.parametrize(("kind", "gates"), [(layers.SimpleRNN, 1), (layers.LSTM, 4), (layers.GRU, 3)])
def test_recurrent_layers(kind, gates):
    x = array(2, 5, 3)
    layer = kind(4, return_sequences=True)
    whole = output(layer, x)
    assert whole.shape == (2, 5, 4)
    last = kind(4)
    last.build((5, 3))
    last.set_weights(layer.get_weights())
    np.testing.assert_allclose(keras.Sequential([last]).predict(x), whole[:, -1], atol=1e-6)
    recurrent = layer.get_weights()[1].reshape(gates, 4, 4)
    for matrix in recurrent:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(4), atol=1e-5)
    bias = layer.get_weights()[2]
    assert bias.sum() == (4 if kind is layers.LSTM else 0)


def test_initial_weights_are_keras():
    for name, std in (
        ("glorot_uniform", np.sqrt(2 / 500)), ("glorot_normal", np.sqrt(2 / 500)), ("he_normal", np.sqrt(2 / 300)),
        ("lecun_normal", np.sqrt(1 / 300)), ("random_normal", 0.05), ("zeros", 0), ("ones", 0),
    ):  # fmt: skip
        layer = layers.Dense(200, kernel_initializer=name, input_shape=(300,))
        layer.build((300,))
        assert layer.kernel.std() == pytest.approx(std, rel=0.03)
        assert (layer.bias == 0).all()
    default = layers.Dense(200)
    default.build((300,))
    assert abs(default.kernel).max() <= np.sqrt(6 / 500)
    assert default.kernel.std() == pytest.approx(np.sqrt(2 / 500), rel=0.03)


def test_an_image_classifier_learns():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    images = rng.normal(0, 0.3, (60, 8, 8, 1))
    images[labels == 1, 2:5, 2:5] += 1
    model = keras.Sequential(
        [
            keras.Input(shape=(8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=10, epochs=25)
    assert model.evaluate(images, labels)[1] > 0.9


def test_modules_of_nn_are_layers():
    model = keras.Sequential([nn.Linear(3, 4), nn.Tanh()])
    x = array(2, 3)
    got = model.predict(x)
    weight, bias = (p.detach().numpy() for p in model.layers[0].module.parameters())
    np.testing.assert_allclose(got, np.tanh(x @ weight.T + bias), atol=1e-6)
    assert model.layers[0].output_shape == (4,)


def test_to_categorical():
    np.testing.assert_array_equal(keras.utils.to_categorical([0, 2]), [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(keras.utils.to_categorical([[1]], 3), [[0, 1, 0]])
    with pytest.raises(ValueError, match=r"\[0, 2\)"):
        keras.utils.to_categorical([2], 2)


def test_errors_of_layers():
    for make, match in (
        (lambda: layers.Dense(0), "units"),
        (lambda: output(layers.Dense(2, activation="rleu"), array(1, 2)), "relu"),
        (lambda: output(layers.Dense(2, kernel_initializer="xavier"), array(1, 2)), "glorot_uniform"),
        (lambda: layers.Conv2D(2, 3, padding="full"), "'valid' or 'same'"),
        (lambda: output(layers.Conv2D(2, 3), array(1, 5, 5)), "channels last, got"),
        (lambda: layers.Dense(2).get_weights(), "not built"),
    ):
        with pytest.raises(ValueError, match=match):
            make()


def test_lengths_may_differ_from_batch_to_batch(capsys):
    model = keras.Sequential(
        [
            keras.Input(shape=(None, 3)),
            layers.Conv1D(5, 3, padding="same"),
            layers.LSTM(4, return_sequences=True),
            layers.Dense(2),
            layers.LSTM(6),
        ]
    )
    model.summary()
    out = capsys.readouterr().out
    assert "(None, None, 5)" in out and "(None, None, 2)" in out and "(None, 6)" in out
    for steps in (4, 7):
        assert model.predict(array(2, steps, 3)).shape == (2, 6)
    with pytest.raises(ValueError, match=r"expected samples of shape \(None, 3\), got \(4, 2\)"):
        model.predict(array(2, 4, 2))
    for layer in (layers.Conv1D(2, 3, strides=2, padding="same"), layers.Dense(2)):
        with pytest.raises(ValueError, match="None"):
            keras.Sequential([keras.Input(shape=(None,) if isinstance(layer, layers.Dense) else (None, 3)), layer])


def test_input_dim_is_the_shape_of_vectors():
    assert keras.Sequential([layers.Dense(3, input_dim=4)]).predict(array(2, 4)).shape == (2, 3)
