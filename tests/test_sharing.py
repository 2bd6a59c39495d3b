"""Candidates that share a compiled epoch: what they come to is what each would have come to by itself."""

import keras
import numpy as np
import pytest

from zoo.training.loop import fit
from zoo.tuning.sharing import MAX_EPOCHS, SharedEpochs, structure

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(40, 6)).astype("float32"), RANDOM.integers(0, 3, 40)
HELD_OUT = X[:10], Y[:10]
SGD, ADAMW, RMSPROP = keras.optimizers.SGD, keras.optimizers.AdamW, keras.optimizers.RMSprop
PAIRS = {
    "learning rate": (lambda: SGD(0.1), lambda: SGD(0.03)),
    "momentum": (lambda: SGD(0.1, momentum=0.9, nesterov=True), lambda: SGD(0.1, momentum=0.5, nesterov=True)),
    "momentum of RMSprop": (lambda: RMSPROP(0.01, momentum=0.9), lambda: RMSPROP(0.01, momentum=0.5)),
    "decay": (lambda: ADAMW(0.01, weight_decay=0.1), lambda: ADAMW(0.02, weight_decay=0.3)),
    "cosine": tuple(
        lambda rate=rate, up=up, down=down: SGD(
            keras.optimizers.schedules.CosineDecay(0.0, down, warmup_target=rate, warmup_steps=up), momentum=0.5
        )
        for rate, up, down in ((0.1, 4, 8), (0.3, 3, 11))
    ),
    "cosine without warmup": tuple(
        lambda rate=rate, down=down: ADAMW(keras.optimizers.schedules.CosineDecay(rate, down))
        for rate, down in ((0.01, 8), (0.03, 7))
    ),
}


def model(optimizer, seed=1, penalty=1e-3, dropout=0.2, moving=0.99, units=5, activation="relu", normalization=None):
    keras.utils.set_random_seed(seed)
    penalty = keras.regularizers.L2(penalty)  # one for two layers, as users have it
    first = keras.layers.Dense(units, activation, kernel_regularizer=penalty)
    noisy = [keras.layers.BatchNormalization(momentum=moving), keras.layers.Dropout(dropout)]
    built = keras.Sequential(
        [
            keras.Input((6,)),
            *([normalization] if normalization else []),
            first,
            *noisy,
            keras.layers.Dense(3, kernel_regularizer=penalty),
        ]
    )
    built.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return built


def same(one: keras.Model, other: keras.Model) -> bool:
    mine, yours = ([*m.variables, *m.optimizer.variables] for m in (one, other))
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(mine, yours, strict=True))


@pytest.mark.parametrize("differs", PAIRS)
def test_what_differs_in_numbers_shares_an_epoch_and_comes_to_the_same_bits(differs):
    shared = SharedEpochs()
    for number, optimizer in enumerate(PAIRS[differs]):
        for seed, penalty, dropout, moving, batch_size in ((1, 1e-3, 0.2, 0.99, 16), (2, 1e-1, 0.47, 0.9123, 7)):
            alone, together = (model(optimizer(), seed, penalty, dropout, moving) for _ in range(2))
            options = {"epochs": 3, "batch_size": batch_size, "seed": 7}
            expected = fit(alone, (X, Y), HELD_OUT, **options)
            assert shared.fit(together, (X, Y), HELD_OUT, **options) == expected
            assert same(alone, together), (number, seed)
    assert shared.saved == 3


@pytest.mark.parametrize(
    "other",
    [{"dropout": 0.0}, {"units": 6}, {"activation": "tanh"}, {"optimizer": SGD(0.1)}, {"penalty": 0.0}],
    ids=["no dropout", "units", "activation", "optimizer", "penalty"],
)
def test_another_structure_is_told_apart(other):
    usual = {"optimizer": SGD(0.1, momentum=0.9)}
    assert structure(model(**usual)) != structure(model(**{**usual, **other}))
    assert structure(model(**usual)) == structure(
        model(SGD(0.4, momentum=0.3), seed=3, penalty=0.5, dropout=0.6, moving=0.8)
    )


def test_what_a_configuration_does_not_tell_is_not_shared():
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    def loss(y, logits):
        return keras.ops.mean(keras.ops.square(logits), axis=-1)

    def sequential(*layers, loss="mse"):
        built = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(1)])
        built.compile("sgd", loss)
        return built

    assert structure(sequential()) is not None
    assert structure(sequential(Mine())) is None
    assert structure(sequential(keras.layers.Lambda(lambda x: x))) is None
    assert structure(sequential(keras.layers.Dense(2, activation=lambda x: x))) is None
    assert structure(sequential(loss=loss)) is None


def test_learnt_statistics_are_part_of_the_structure_and_reach_the_clone():
    def normalization(scale):
        layer = keras.layers.Normalization()
        layer.adapt(X * scale)
        return layer

    one, other = (model(SGD(0.1), normalization=normalization(scale)) for scale in (1, 50))
    assert structure(one) != structure(other)
    shared = SharedEpochs()
    for scale in (1, 50, 50):
        alone, together = (model(SGD(0.1), normalization=normalization(scale)) for _ in range(2))
        assert shared.fit(together, (X, Y), epochs=1) == fit(alone, (X, Y), epochs=1)
    assert shared.saved == 1


def test_another_optimizer_is_evaluated_by_what_was_compiled_for_the_first(monkeypatch):
    evaluated = []
    real = keras.Sequential.test_step
    monkeypatch.setattr(keras.Sequential, "test_step", lambda self, data: evaluated.append(1) or real(self, data))
    shared, kinds = SharedEpochs(), (SGD(0.1), ADAMW(0.01, weight_decay=0.1), SGD(0.1, momentum=0.5))
    for times, optimizer in enumerate([*kinds, *kinds]):  # and back again
        alone, together = (model(type(optimizer).from_config(optimizer.get_config()), times) for _ in range(2))
        options = {"epochs": 3, "batch_size": 16}
        expected = fit(alone, (X, Y), HELD_OUT, **options)
        evaluated.clear()
        assert shared.fit(together, (X, Y), HELD_OUT, **options) == expected
        assert same(alone, together) and bool(evaluated) == (times == 0)
    assert shared.saved == len(kinds) and len(shared._clones) == 1


def test_a_later_candidate_leaves_an_earlier_one_as_it_is_and_few_structures_are_kept():
    shared, first = SharedEpochs(), model(SGD(0.1))
    shared.fit(first, (X, Y), epochs=1)
    weights = first.get_weights()
    shared.fit(model(SGD(0.5), seed=2), (X, Y), epochs=1)
    assert all(np.array_equal(a, b) for a, b in zip(weights, first.get_weights(), strict=True))
    assert first.optimizer.get_config()["learning_rate"] == pytest.approx(0.1)
    for units in range(1, MAX_EPOCHS + 2):
        shared.fit(model(SGD(0.1), units=units), (X, Y), epochs=1)
    assert len(shared._clones) == MAX_EPOCHS


def test_callbacks_see_a_model_that_can_be_written_with_its_own_numbers(tmp_path):
    class Write(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "model.keras")

    shared = SharedEpochs()
    for kind, momentum, penalty, dropout in ((SGD, 0.9, 1e-3, 0.2), (RMSPROP, 0.4, 1e-2, 0.1), (SGD, 0.5, 1e-1, 0.3)):
        one = model(kind(0.1, momentum=momentum), penalty=penalty, dropout=dropout)
        shared.fit(one, (X, Y), HELD_OUT, epochs=1, callbacks=[Write()])
        written = keras.models.load_model(tmp_path / "model.keras")
        assert type(written.optimizer) is kind and written.optimizer.get_config()["momentum"] == momentum
        assert written.layers[0].kernel_regularizer.get_config()["l2"] == pytest.approx(penalty)
        assert written.layers[2].rate == dropout
    assert shared.saved == 1


def test_data_of_another_shape_have_an_epoch_of_their_own():
    shared = SharedEpochs()
    for n in (40, 30, 40):
        alone, together = (model(SGD(0.1)) for _ in range(2))
        weights = np.linspace(0.5, 1.5, n) if n == 30 else None
        options = {"epochs": 2, "batch_size": 16, "sample_weight": weights}
        assert shared.fit(together, (X[:n], Y[:n]), HELD_OUT, **options) == fit(
            alone, (X[:n], Y[:n]), HELD_OUT, **options
        )
    assert shared.saved == 1


def test_callbacks_stop_a_shared_training_too():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    shared = SharedEpochs()
    for _ in range(2):
        one = model(SGD(0.1))
        assert len(shared.fit(one, (X, Y), epochs=5, callbacks=[Stop()])["loss"]) == 2
        assert one.stop_training
