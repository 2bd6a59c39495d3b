"""`mirrored=True`: the mean of the answers for an image and for its mirror image, against two calls of a plain net."""

import keras
import numpy as np
import pytest

import zoo
from zoo.cost import costs
from zoo.deploy import Runner
from zoo.training import fit

SHAPE = (8, 6, 1)


@pytest.fixture(scope="module")
def nets():
    keras.utils.set_random_seed(1)
    mirrored = zoo.cnn(SHAPE, 3, filters=(4, 6), convolutions=1, mirrored=True)
    plain = zoo.cnn(SHAPE, 3, filters=(4, 6), convolutions=1)
    plain.set_weights(mirrored.get_weights())
    return mirrored, plain


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(40, *SHAPE)).astype("float32")


def test_the_answer_is_the_mean_for_both(nets, x):
    mirrored, plain = nets
    wanted = (plain.predict(x, verbose=0) + plain.predict(x[:, :, ::-1], verbose=0)) / 2
    np.testing.assert_allclose(mirrored.predict(x, verbose=0), wanted, atol=1e-6)


def test_a_training_step_is_that_of_the_plain_net(nets, x):
    y, histories = np.arange(40) % 3, []
    for net in map(keras.models.clone_model, nets):
        net.set_weights(nets[0].get_weights())
        net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        histories.append(fit(net, (x, y), epochs=2, batch_size=16)["loss"])
    assert histories[0] == histories[1]


def test_it_costs_twice_as_much_and_no_parameter(nets):
    mirrored, plain = map(costs, nets)
    assert mirrored.parameters == plain.parameters
    assert mirrored.macs == 2 * plain.macs > 0


def test_the_int8_file_answers_alike_for_both_and_no_weight_is_in_it_twice(nets, x, tmp_path):
    files = {}
    for name, net in zip(("mirrored", "plain"), nets, strict=True):
        result = zoo.export(net, tmp_path / name, precisions=["int8"], calibration=x, name=name, report=lambda _: None)
        assert result.verified
        files[name] = tmp_path / name / "tflite" / result.files[0].file
    predict = Runner(files["mirrored"]).predict
    np.testing.assert_allclose(predict(x[:8]), predict(x[:8, :, ::-1]), atol=1e-6)
    sizes = {name: file.stat().st_size for name, file in files.items()}
    assert sizes["mirrored"] - sizes["plain"] < 3000, sizes


def test_a_series_has_no_mirror_image():
    with pytest.raises(ValueError, match=r"mirrored=True is for images, but input_shape=\(20, 2\) is of a series"):
        zoo.cnn((20, 2), 3, mirrored=True)
