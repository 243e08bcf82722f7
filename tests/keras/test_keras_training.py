"""Programs written for Keras run as they stand: compile, fit, evaluate, predict, and what they print and keep."""

import numpy as np
import pytest

import gpudl
from gpudl import keras, nn


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def line(noise=0.1):
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 100)
    return x, 2 * x + 1 + rng.normal(0, noise, 100)


def blobs(classes=3, count=150, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centers = np.array([[0, 4], [4, 0], [-4, -4]])[:classes]
    return (centers[labels] + rng.normal(size=(count, 2))).astype("float32"), labels


def classifier(units=3, activation="softmax"):
    return keras.Sequential(
        [keras.layers.Dense(16, activation="relu", input_shape=(2,)), keras.layers.Dense(units, activation=activation)]
    )


def test_a_line_is_learned_as_in_keras():
    X, Y = line()
    model = keras.Sequential([keras.layers.Dense(units=1, input_shape=(1,))])
    model.compile(optimizer="sgd", loss="mean_squared_error")
    model.fit(X, Y, epochs=1000)
    Y_pred = model.predict(X)
    assert Y_pred.shape == (100, 1) and Y_pred.dtype == np.float32
    slope, intercept = np.polyfit(X, Y_pred[:, 0], 1)
    assert abs(slope - 2) < 0.05 and abs(intercept - 1) < 0.05
    np.testing.assert_allclose(model.layers[0].kernel, [[slope]], rtol=1e-5)
    np.testing.assert_allclose(model.layers[0].bias, [intercept], rtol=1e-5)


def test_fit_is_the_plain_loop():
    x, y = blobs()
    model = classifier()
    twin = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    with gpudl.no_grad():
        for mine, theirs in zip(model.module.parameters(), twin.parameters()):
            theirs.copy_(mine)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=150, epochs=4, shuffle=False)
    optimizer = gpudl.optim.Adam(twin.parameters(), lr=0.01, eps=1e-7)
    losses, hits = [], []
    for _ in range(4):
        optimizer.zero_grad()
        z = twin(gpudl.tensor(x))
        loss = nn.functional.cross_entropy(z, gpudl.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        hits.append(float((z.argmax(1) == gpudl.tensor(y)).float().mean()))
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(history.history["accuracy"], hits, rtol=1e-6)
    assert history.epoch == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["sparse", "categorical", "binary", "logits"])
def test_classifiers_learn(kind):
    x, y = blobs(2 if kind == "binary" else 3)
    if kind == "binary":
        model, loss = classifier(1, "sigmoid"), "binary_crossentropy"
    else:
        model = classifier(3, "linear" if kind == "logits" else "softmax")
        loss = {"categorical": "categorical_crossentropy"}.get(kind, "sparse_categorical_crossentropy")
        if kind == "logits":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    labels = keras.utils.to_categorical(y) if kind == "categorical" else y
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    history = model.fit(x, labels, epochs=30, batch_size=10, validation_split=0.2).history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    loss_value, accuracy = model.evaluate(x, labels)
    assert accuracy > 0.9
    assert model.evaluate(x, labels, return_dict=True) == {"loss": loss_value, "accuracy": accuracy}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adamax", "nadam", "rmsprop", "adagrad", "adadelta", "lion"])
def test_every_optimizer_takes_steps_downhill(name):
    x, y = line()
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile(name.upper() if name == "sgd" else name, "mse", metrics=["mae"])
    history = model.fit(x, y, epochs=15).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["mae"][-1] < history["mae"][0]


def test_evaluation_is_in_evaluation_mode_and_weighs_every_sample_alike():
    x, y = line()
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,)), keras.layers.Dropout(0.5)])
    model.compile("sgd", "mse")
    whole = float(np.mean((model.predict(x)[:, 0] - y.astype("float32")) ** 2))
    assert model.evaluate(x, y, batch_size=32) == pytest.approx(whole, rel=1e-5)
    assert model.evaluate(x, y, batch_size=7) == pytest.approx(whole, rel=1e-5)


def test_batches_from_a_loader_and_losses_of_nn():
    x, y = blobs()
    data = gpudl.data.TensorDataset(gpudl.tensor(x), gpudl.tensor(y))
    loader = gpudl.data.DataLoader(data, batch_size=50, shuffle=True)
    model = classifier(3, None)
    model.compile(gpudl.optim.SGD(model.module.parameters(), lr=0.1), nn.CrossEntropyLoss())
    history = model.fit(loader, epochs=5, validation_data=(x, y))
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    assert model.evaluate(loader) == pytest.approx(model.evaluate(x, y), rel=1e-5)


def test_frozen_layers_stay():
    x, y = blobs()
    model = classifier()
    model.layers[0].trainable = False
    before = model.get_weights()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=1)
    after = model.get_weights()
    assert (before[0] == after[0]).all() and not (before[2] == after[2]).all()


def test_early_stopping_restores_the_best_weights():
    x, y = line()
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    seen = []

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append(self.model.get_weights()[0].item())
            if epoch >= 3:
                self.model.set_weights([np.array([[9.0]]), np.array([9.0])])

    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    history = model.fit(x, y, epochs=50, validation_data=(x, y), callbacks=[stop, Spoil()], shuffle=False)
    values = history.history["val_loss"]
    assert len(values) < 50 and stop.stopped_epoch == len(values) - 1
    assert model.get_weights()[0].item() == seen[int(np.argmin(values))]
    with pytest.raises(KeyError, match="'val_acc' is not among loss"):
        model.fit(x, y, callbacks=[keras.callbacks.EarlyStopping(monitor="val_acc")])


def test_other_callbacks():
    x, y = line()
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    calls = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda: calls.append("begin"),
        on_epoch_begin=lambda epoch: calls.append(epoch),
        on_epoch_end=lambda epoch, logs: calls.append(sorted(logs)),
        on_train_end=lambda: calls.append("end"),
    )
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(x, y, epochs=5, initial_epoch=3, callbacks=[watch, halve])
    assert calls == ["begin", 3, ["loss"], 4, ["loss"], "end"]
    assert model.optimizer.param_groups[0]["lr"] == pytest.approx(0.0025)
    with pytest.raises(TypeError, match="on_batch"):
        keras.callbacks.LambdaCallback(on_batch=print)


def test_progress_goes_to_stderr_and_only_when_asked(capsys):
    x, y = line()
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    for verbose, lines in ((0, 0), ("auto", 0), (1, 3), (2, 3)):
        model.fit(x, y, epochs=3, verbose=verbose)
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == lines and "\r" not in err and "\x1b" not in err
    model.fit(x, y, epochs=2, verbose=1, validation_data=(x, y))
    assert capsys.readouterr().err.startswith("epoch 1/2  loss ")


def test_summary(capsys):
    classifier().summary()
    out = capsys.readouterr().out
    assert "dense (Dense)" in out and "dense_1 (Dense)" in out
    assert "(None, 16)" in out and "Total params: 99, trainable: 99" in out


def test_weights_are_saved_and_loaded(tmp_path):
    x, _ = blobs()
    model, other = classifier(), classifier()
    model.save_weights(tmp_path / "weights.safetensors")
    other.load_weights(tmp_path / "weights.safetensors")
    assert (model.predict(x) == other.predict(x)).all()
    with pytest.raises(RuntimeError, match="size mismatch"):
        classifier(5).load_weights(tmp_path / "weights.safetensors")


def test_the_same_seed_gives_the_same_run():
    def run():
        keras.utils.set_random_seed(7)
        model = classifier()
        model.compile("adam", "sparse_categorical_crossentropy")
        return model.fit(*blobs(), epochs=2).history["loss"]

    assert run() == run()


def error(call):
    with pytest.raises((ValueError, RuntimeError, TypeError)) as caught:
        call()
    return str(caught.value)


def test_errors_say_what_to_do():
    x, y = blobs()
    model = classifier()
    assert "compile" in error(lambda: model.fit(x, y))
    assert "compile" in error(lambda: model.evaluate(x, y))
    assert "sgd" in error(lambda: model.compile("sdg", "mse"))
    assert "mean_squared_error" in error(lambda: model.compile("sgd", "mean_square"))
    assert "accuracy" in error(lambda: model.compile("sgd", "mse", metrics=["exactness"]))
    model.compile("sgd", "mse")
    assert "(32,), the predictions (32, 3)" in error(lambda: model.fit(x, y))
    assert "150 samples, y has 3" in error(lambda: model.fit(x, y[:3]))
    assert "expected samples of shape (2,), got (3,)" in error(lambda: model.predict(np.zeros((4, 3))))
    assert "y is missing" in error(lambda: model.fit(x))
    assert "no samples" in error(lambda: model.fit(x[:0], y[:0]))
    assert "validation_split" in error(lambda: model.fit(x, y, validation_split=1.0))
    assert "verbose" in error(lambda: model.fit(x, keras.utils.to_categorical(y), verbose=3))
    assert "input_shape" in error(lambda: keras.Sequential([keras.layers.Dense(3)]).summary())
    assert "no layers" in error(lambda: keras.Sequential().summary())
    assert "got int" in error(lambda: keras.Sequential([3]))
    assert "expected 4 arrays, got 1" in error(lambda: model.set_weights([np.zeros(1)]))
    model.compile("sgd")
    assert "no loss" in error(lambda: model.fit(x, y))
