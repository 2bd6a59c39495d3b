"""The compiled epoch against Keras' own `fit`, bit for bit, and training that goes on after an interruption."""

import keras
import numpy as np
import pytest

import zoo
from zoo.data import digits
from zoo.recipe.optimizers import make_optimizer
from zoo.recipe.schedules import Plateau, schedule_of
from zoo.training.epoch import same_rounding
from zoo.training.feed import shuffled
from zoo.training.loop import evaluate, fit, predict

# Few samples, and a number that the batch size does not divide: the last batch is a smaller one.
SAMPLES, BATCH, EPOCHS = 210, 32, 3


def parts(shape):
    dataset = digits(shape)
    return tuple(v[:SAMPLES] for v in dataset.train), tuple(v[:70] for v in dataset.validation)


def compiled(builder, shape, optimizer, **arguments):
    keras.utils.set_random_seed(3)
    if "augmentation" in arguments:  # new layers for each model: they hold a random state
        arguments["augmentation"] = [layer() for layer in arguments["augmentation"]]
    model = builder(shape, 10, preprocessing=[keras.layers.Rescaling(1 / 16)], **arguments)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


CASES = {
    "fnn": (
        zoo.fnn,
        (64,),
        {"normalization": "batch", "dropout": 0.2, "regularizer": keras.regularizers.L1L2(1e-4, 1e-3)},
    ),
    "cnn": (zoo.cnn, (8, 8, 1), {"filters": (4, 8), "dropout": 0.2, "regularizer": "l2"}),
    "lstm": (zoo.lstm, (8, 8), {"units": (8,), "dropout": 0.2, "recurrent_dropout": 0.1}),
    "augmented": (zoo.fnn, (64,), {"augmentation": [lambda: keras.layers.GaussianNoise(0.1)]}),
}
OPTIMIZERS = {
    "sgd with momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.003),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("case", CASES)
def test_weights_are_those_of_fit_to_the_last_bit(case, optimizer):
    builder, shape, arguments = CASES[case]
    train, validation = parts(shape)
    theirs = compiled(builder, shape, OPTIMIZERS[optimizer](), **arguments)
    with same_rounding:
        expected = theirs.fit(
            *train, validation_data=validation, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0
        ).history
    ours = compiled(builder, shape, OPTIMIZERS[optimizer](), **arguments)
    history = fit(ours, train, validation, batch_size=BATCH, epochs=EPOCHS, order=lambda epoch, n: np.arange(n))

    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("batch_size", [1, "all"])
def test_single_samples_and_the_whole_set(batch_size):
    train = tuple(v[:20] for v in parts((64,))[0])
    theirs, ours = (compiled(zoo.fnn, (64,), keras.optimizers.SGD(0.05, momentum=0.9)) for _ in range(2))
    with same_rounding:
        theirs.fit(*train, batch_size=20 if batch_size == "all" else 1, epochs=2, shuffle=False, verbose=0)
    fit(ours, train, batch_size=batch_size, epochs=2, order=lambda epoch, n: np.arange(n))
    assert int(ours.optimizer.iterations) == (2 if batch_size == "all" else 40)
    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_sample_weights_are_those_of_fit_in_training_alone():
    train, validation = parts((64,))
    weights = np.random.default_rng(0).uniform(0, 3, SAMPLES).astype("float32")
    theirs, ours = (compiled(zoo.fnn, (64,), "adam") for _ in range(2))
    options = {"sample_weight": weights, "batch_size": BATCH, "epochs": 2}
    with same_rounding:
        expected = theirs.fit(*train, validation_data=validation, **options, shuffle=False, verbose=0).history
    history = fit(ours, train, validation, **options, order=lambda epoch, n: np.arange(n))
    for a, b in zip(theirs.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, atol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match=r"sample_weight of shape \(3,\) for 210 samples; it needs \(210,\)"):
        fit(ours, train, epochs=1, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="not zeros alone"):
        fit(ours, train, epochs=1, sample_weight=np.zeros(SAMPLES))


X = np.random.default_rng(1).normal(size=(40, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1 * np.random.default_rng(2).normal(size=(40, 1))).astype("float32")


def averaging_line(momentum=0.8):
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.SGD(0.3, use_ema=True, ema_momentum=momentum)
    model.compile(optimizer, loss="mse")
    return model


class Weights(keras.callbacks.Callback):
    """The weights that callbacks see at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self._seen = []

    def on_epoch_end(self, epoch, logs=None):
        self._seen.append(self.model.get_weights()[0])


def test_averaged_weights_are_the_formula_in_validation_in_callbacks_and_at_the_end(tmp_path):
    model, epochs, seen = averaging_line(), 8, Weights()
    w = model.get_weights()[0].astype("float64")
    held_out = (X[:10], Y[:10])
    history = fit(
        model, (X, Y), held_out, epochs=epochs, batch_size="all", callbacks=[seen], checkpoint=tmp_path / "c.npz"
    )
    average = None
    for epoch in range(epochs):  # steps start from the weights, not from their average
        w = w - 0.3 * 2 * X.T @ (X @ w - Y) / len(X)
        average = w if average is None else 0.8 * average + 0.2 * w
        assert history["val_loss"][epoch] == pytest.approx(((X[:10] @ average - Y[:10]) ** 2).mean(), rel=1e-4)
        np.testing.assert_allclose(seen._seen[epoch], average, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-4)
    assert np.abs(w - average).max() > 1e-3, "the case should distinguish them"

    theirs = averaging_line()
    theirs.fit(X, Y, epochs=epochs, batch_size=40, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], theirs.get_weights()[0], rtol=1e-5)

    # A checkpoint keeps both: the weights that training resumes from and their average.
    fit(
        averaging_line(),
        (X, Y),
        held_out,
        epochs=3,
        batch_size="all",
        callbacks=[Weights()],
        checkpoint=tmp_path / "d.npz",
    )
    resumed = averaging_line()
    again = fit(
        resumed, (X, Y), held_out, epochs=epochs, batch_size="all", callbacks=[Weights()], checkpoint=tmp_path / "d.npz"
    )
    assert again == history
    np.testing.assert_array_equal(resumed.get_weights()[0], model.get_weights()[0])


def test_early_stopping_restores_averaged_weights():
    model, seen = averaging_line(), Weights()
    stop = keras.callbacks.EarlyStopping(patience=2, min_delta=1.0, restore_best_weights=True)
    fit(model, (X, Y), (X, Y), epochs=20, batch_size="all", callbacks=[seen, stop])
    assert 2 < len(seen._seen) < 20
    np.testing.assert_array_equal(model.get_weights()[0], seen._seen[stop.best_epoch])


@pytest.mark.parametrize("schedule", ["step", "exponential", "cosine", "one_cycle", "plateau"])
def test_schedules_are_resumed(schedule, tmp_path):
    chosen = Plateau(patience=1, factor=0.1) if schedule == "plateau" else schedule_of(schedule)

    def trained(epochs, checkpoint=None):
        model = averaging_line()
        model.compile(make_optimizer("sgd", 0.3, momentum=0.9, schedule=chosen, steps=24, epochs=8), loss="mse")
        options = {"batch_size": 16, "callbacks": chosen.callbacks(), "checkpoint": checkpoint, "seed": 1}
        return model, fit(model, (X, Y), (X[:10], Y[:10]), epochs=epochs, **options)

    whole, history = trained(8)
    trained(5, tmp_path / "c.npz")
    resumed, again = trained(8, tmp_path / "c.npz")
    assert again == history
    np.testing.assert_array_equal(whole.get_weights()[0], resumed.get_weights()[0])
    if schedule == "plateau":
        assert history["learning_rate"][0] > history["learning_rate"][-1], "the case should reach a plateau"


def test_evaluate_and_predict_are_those_of_keras():
    train, _ = parts((64,))
    model = compiled(zoo.fnn, (64,), "adam")
    for name, value in model.evaluate(*train, verbose=0, return_dict=True).items():
        assert evaluate(model, train)[name] == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(predict(model, train[0]), model.predict(train[0], verbose=0), atol=1e-6)


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch():
    orders = [shuffled(seed)(epoch, 100) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert (shuffled(1)(1, 100) == orders[3]).all()


class Killed(Exception):
    pass


class KillAfter(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise Killed


@pytest.mark.parametrize("kill", [1, 3])
def test_a_resumed_training_ends_exactly_as_an_uninterrupted_one(tmp_path, kill, monkeypatch):
    monkeypatch.setattr("zoo.training.loop.CHECKPOINT_SECONDS", 0)
    train, validation = parts((8, 8))

    def model():  # dropout and noise draw random numbers, Adam and the plateau have a state of their own
        arguments = {"units": (8,), "dropout": 0.3, "recurrent_dropout": 0.1}
        noise = [lambda: keras.layers.GaussianNoise(0.1)]
        return compiled(zoo.gru, (8, 8), keras.optimizers.Adam(0.01), **arguments, augmentation=noise)

    def callbacks():
        return [
            keras.callbacks.EarlyStopping(patience=3, min_delta=0.1, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(patience=2, min_delta=0.1, factor=0.3),
        ]

    options = {"epochs": 20, "batch_size": BATCH, "seed": 4, "fingerprint": "same"}
    whole = model()
    expected = fit(whole, train, validation, callbacks=callbacks(), **options)
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        fit(model(), train, validation, callbacks=[*callbacks(), KillAfter(kill)], checkpoint=file, **options)
    resumed = model()
    history = fit(resumed, train, validation, callbacks=[*callbacks(), KillAfter(99)], checkpoint=file, **options)

    assert history == expected
    assert kill < len(history["loss"]) < 20, "the case should stop early, so that the counters matter"
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_checkpoint_of_other_work_is_not_used_and_a_damaged_one_is_named(tmp_path):
    train, _ = parts((64,))
    file = tmp_path / "checkpoint.npz"
    fit(compiled(zoo.fnn, (64,), "adam"), train, epochs=2, checkpoint=file, fingerprint="one")
    history = fit(compiled(zoo.fnn, (64,), "adam"), train, epochs=1, checkpoint=file, fingerprint="two")
    assert len(history["loss"]) == 1
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint.npz is damaged"):
        fit(compiled(zoo.fnn, (64,), "adam"), train, epochs=1, checkpoint=file)


def test_keras_callbacks_work_at_epoch_level(tmp_path):
    train, validation = parts((64,))
    model = compiled(zoo.fnn, (64,), "adam")
    rates = []
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=False),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path / "board", write_graph=False),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1)),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"])),
    ]
    fit(model, train, validation, epochs=3, callbacks=callbacks)
    assert sorted(p.name for p in tmp_path.glob("*.keras")) == ["1.keras", "2.keras", "3.keras"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert list((tmp_path / "board").rglob("events*"))
    np.testing.assert_allclose(rates, [0.01, 0.005, 0.01 / 3], rtol=1e-6)


def test_bad_arguments_are_rejected():
    train, _ = parts((64,))
    with pytest.raises(ValueError, match="not compiled"):
        fit(zoo.fnn((64,), 10), train, epochs=1)
    model = compiled(zoo.fnn, (64,), "adam")
    with pytest.raises(ValueError, match="epochs=0"):
        fit(model, train, epochs=0)
    with pytest.raises(ValueError, match="batch_size='al' must be a whole number of at least 1, or 'all'"):
        fit(model, train, epochs=1, batch_size="al")
    with pytest.raises(ValueError, match="10 inputs and 9 targets"):
        fit(model, (train[0][:10], train[1][:9]), epochs=1)

    class OnBatch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    with pytest.raises(ValueError, match="OnBatch acts on batches"):
        fit(model, train, epochs=1, callbacks=[OnBatch()])
    with pytest.raises(ValueError, match="save_freq='epoch'"):
        fit(model, train, epochs=1, callbacks=[keras.callbacks.ModelCheckpoint("x.keras", save_freq=10)])
