"""Training on several devices against the same training on one, and against a step written out share by share.

The devices are two logical ones of the CPU. They must be made before TensorFlow starts, so a process of its own trains,
`main` below, and the tests read what it prints.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOLERANCE = {"rtol": 2e-6, "atol": 2e-6}  # sums of float32 are added up in another order


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, __file__], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "significant overhead" not in done.stderr, "TensorFlow's advice on a step that is made once"
    return json.loads(done.stdout.splitlines()[-1])


def assert_alike(a, b):
    assert a["history"].keys() == b["history"].keys()
    for name in a["history"]:
        assert np.isfinite(a["history"][name]).all()
        np.testing.assert_allclose(a["history"][name], b["history"][name], err_msg=name, **TOLERANCE)
    for first, second in zip(a["weights"], b["weights"], strict=True):
        np.testing.assert_allclose(first, second, **TOLERANCE)


@pytest.mark.parametrize(
    "case", ["uneven shares", "an empty share", "one device in a scope", "clipped", "averaged and weighted", "mixed"]
)
def test_losses_metrics_and_weights_are_those_of_one_device(seen, case):
    one, two = seen[case]
    assert len(set(one["history"]["loss"])) > 1, "the case should learn something"
    assert_alike(one, two)


def test_batch_statistics_are_those_of_a_device_and_moving_ones_their_mean(seen):
    two, written_out = seen["batch statistics"]
    assert all(np.isfinite(values).all() for values in written_out["weights"])
    for first, second in zip(two["weights"], written_out["weights"], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_no_two_devices_draw_the_same_mask_and_states_are_alike_again(seen):
    masks, states = seen["masks"]
    assert len(masks) == len(states) == 2
    assert masks[0] != masks[1] and states[0] == states[1]


def test_a_resumed_training_ends_exactly_as_an_uninterrupted_one(seen):
    whole, resumed = seen["resumed"]
    assert np.isfinite(whole["history"]["val_loss"]).all(), "batch statistics of no samples would be no numbers"
    assert whole["history"] == resumed["history"] and len(whole["history"]["loss"]) == 4
    assert whole["weights"] == resumed["weights"]


def test_a_recipe_is_trained_on_two_devices_and_its_model_is_a_plain_one(seen):
    recipe = seen["recipe"]
    assert recipe["devices"] == 2 and recipe["reported"], "training.json and the progress should say so"
    assert recipe["strategy"] is None
    np.testing.assert_allclose(*recipe["losses"], **TOLERANCE)
    assert recipe["evaluated"] == pytest.approx(recipe["losses"][1][-1], rel=1e-5)


def test_bad_devices_and_models_are_rejected(seen):
    assert seen["errors"] == [
        "devices=3, but there is 2 CPU, and no GPU that TensorFlow can use; give at most that many, or 'all'",
        "devices='two' must be a whole number of at least 1, or 'all'",
        "the model was made under OneDeviceStrategy; only MirroredStrategy is possible here",
        "the model or its optimizer was made outside of the strategy's scope; build and compile it in "
        "`with strategy.scope():`",
        "the model or its optimizer was made outside of the strategy's scope; build and compile it in "
        "`with strategy.scope():`",
        "Own has a train_step of its own, which several devices cannot share",
        "gradient_accumulation_steps is not possible on several devices; give a larger batch_size",
    ]


SAMPLES, BATCH = 49, 16  # the last batch is of one sample: nothing is left for the other device
ODD_BATCH = 15  # 7 samples on one device, 8 on the other
DEVICES = 2


def main():
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES)
    import keras

    import zoo
    from zoo.training.devices import apart, mirrored
    from zoo.training.loop import evaluate, fit

    random = np.random.default_rng(1)
    x = random.normal(size=(SAMPLES, 4)).astype("float32")
    y = np.abs(x).argmax(axis=1)
    one_hot = np.eye(4, dtype="float32")[y]
    weights = random.uniform(0, 3, SAMPLES).astype("float32")
    strategy = mirrored("all")
    assert mirrored(2) is strategy and strategy.num_replicas_in_sync == DEVICES

    def made(*layers, optimizer=None, targets="sparse_categorical_crossentropy", kind=keras.Sequential):
        keras.utils.set_random_seed(2)
        model = kind([keras.Input((4,)), *(layer() for layer in layers), keras.layers.Dense(4, "softmax")])
        model.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9), targets, metrics=["accuracy"])
        return model

    def on_two(*layers, **how):
        with strategy.scope():
            if "optimizer" in how:
                how["optimizer"] = how["optimizer"]()
            return made(*layers, **how)

    def result(model, history):
        return {"history": history, "weights": [w.tolist() for w in model.get_weights()]}

    def penalized():
        return keras.layers.Dense(6, "tanh", kernel_regularizer=keras.regularizers.L1L2(1e-3, 1e-2))

    def in_a_scope_of_one():
        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            model = made(penalized)
        plain = made(penalized)
        return [result(m, fit(m, (x, y), (x, y), epochs=2, batch_size=BATCH)) for m in (plain, model)]

    def both(targets=y, optimizer=None, loss="sparse_categorical_crossentropy", batch_size=BATCH, **options):
        given = {"optimizer": optimizer} if optimizer else {}
        results = []
        for model in (
            made(penalized, targets=loss, **({"optimizer": optimizer()} if optimizer else {})),
            on_two(penalized, targets=loss, **given),
        ):
            held_out = (x[:21], targets[:21])
            history = fit(model, (x, targets), held_out, epochs=3, batch_size=batch_size, **options)
            results.append(result(model, history))
        return results

    def batch_statistics():
        """One epoch, and the same on one device: a forward pass a share, gradients added, statistics averaged."""
        layers = (lambda: keras.layers.Dense(6), lambda: keras.layers.BatchNormalization(momentum=0.5))
        model, plain = on_two(*layers), made(*layers)
        count = SAMPLES - 1
        fit(model, (x[:count], y[:count]), epochs=1, batch_size=BATCH, order=lambda epoch, n: np.arange(n))
        for first in range(0, count, BATCH):
            before, after, gradients = plain.get_weights(), [], []
            for part in np.array_split(np.arange(first, first + BATCH), DEVICES):
                plain.set_weights(before)
                with tf.GradientTape() as tape:
                    losses = keras.losses.sparse_categorical_crossentropy(y[part], plain(x[part], training=True))
                    loss = tf.reduce_sum(losses) / BATCH
                gradients.append(tape.gradient(loss, plain.trainable_weights))
                after.append(plain.get_weights())
            plain.set_weights([np.mean(values, axis=0) for values in zip(*after, strict=True)])
            plain.optimizer.apply_gradients(
                [(sum(g), v) for g, v in zip(zip(*gradients, strict=True), plain.trainable_weights, strict=True)]
            )
        return result(model, {}), result(plain, {})

    def masks():
        model = on_two(lambda: keras.layers.Dropout(0.5))
        dropout = model.layers[0]
        with apart(model):
            drawn = strategy.run(lambda: dropout(tf.ones((1, 64)), training=True))
        state = dropout.seed_generator.state.value
        return [[v.numpy().tolist() for v in strategy.experimental_local_results(w)] for w in (drawn, state)]

    def resumed():
        layers = (keras.layers.BatchNormalization, lambda: keras.layers.Dropout(0.3))
        results = []
        for parts in ((4,), (2, 4)):
            for epochs in parts:
                model = on_two(*layers, optimizer=lambda: keras.optimizers.Adam(0.01))
                checkpoint = f"{parts}.npz" if len(parts) > 1 else None
                history = fit(model, (x, y), (x, y), epochs=epochs, batch_size=BATCH, checkpoint=checkpoint)
            results.append(result(model, history))
        return results

    def recipe():
        rows = random.normal(size=(200, 4)).astype("float32")
        chosen = zoo.Recipe(
            name="rows_fnn",
            data=lambda: zoo.data.Dataset.split("rows", rows, np.abs(rows).argmax(axis=1)),
            builder=zoo.fnn,
            arguments={"units": (6,)},
            task=zoo.Multiclass(4),
            epochs=2,
            trials=0,
            bounds=zoo.Bounds(score=0.1),
        )
        lines, losses = [], []
        for devices in (1, "all"):
            done = zoo.train(chosen, f"run{devices}", devices=devices, report=lines.append)
            losses.append(done.history["val_loss"])
        dataset = chosen.load_data()
        seen = json.loads(Path("runall/training.json").read_text())
        return {
            "devices": seen["devices"],
            "reported": any("a share of each batch on" in line and "CPU:1" in line for line in lines),
            "strategy": getattr(done.model.variables[0].value, "distribute_strategy", None),
            "losses": losses,
            "evaluated": evaluate(done.model, (dataset.validation.x, dataset.validation.y))["loss"],
        }

    def errors():
        class Own(keras.Sequential):
            def train_step(self, data):
                return super().train_step(data)

        def elsewhere():
            with tf.distribute.OneDeviceStrategy("CPU:0").scope():
                return made(penalized)

        def compiled_outside():
            model = on_two(penalized)
            model.compile(keras.optimizers.SGD(), "sparse_categorical_crossentropy")
            return model

        def inside_with_a_plain_model():
            model = made(penalized)
            with strategy.scope():
                fit(model, (x, y), epochs=1)

        def accumulating():
            return on_two(penalized, optimizer=lambda: keras.optimizers.SGD(gradient_accumulation_steps=2))

        seen = []
        for call in (
            lambda: mirrored(3),
            lambda: mirrored("two"),
            lambda: fit(elsewhere(), (x, y), epochs=1),
            lambda: fit(compiled_outside(), (x, y), epochs=1),
            inside_with_a_plain_model,
            lambda: fit(on_two(penalized, kind=Own), (x, y), epochs=1),
            lambda: fit(accumulating(), (x, y), epochs=1),
        ):
            try:
                call()
            except ValueError as error:
                seen.append(str(error))
        return seen

    def clipping():
        return keras.optimizers.SGD(0.3, clipnorm=0.05)

    def averaging():
        return keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.8)

    mixing = {"mixing": zoo.augment.MixUp(0.4), "loss": "categorical_crossentropy"}
    print(
        json.dumps(
            {
                "uneven shares": both(batch_size=ODD_BATCH),
                "an empty share": both(),
                "one device in a scope": in_a_scope_of_one(),
                "clipped": both(optimizer=clipping),
                "averaged and weighted": both(optimizer=averaging, sample_weight=weights),
                "mixed": both(one_hot, **mixing),
                "batch statistics": batch_statistics(),
                "masks": masks(),
                "resumed": resumed(),
                "recipe": recipe(),
                "errors": errors(),
            }
        )
    )


if __name__ == "__main__":
    main()
