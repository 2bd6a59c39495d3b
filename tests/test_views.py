"""`mirrored=True`, `shifted=True`: the mean of the answers to an image's views, against calls of a plain net."""

import keras
import numpy as np
import pytest

import zoo
from zoo.deploy import Runner
from zoo.models.cost import costs
from zoo.runtime.targets import read_model
from zoo.training.loop import fit

SHAPE = (8, 6, 1)
KNOBS = ({"mirrored": True}, {"shifted": True}, {"mirrored": True, "shifted": True})


def views(x, mirrored=False, shifted=False):
    """Each view of x (n, H, W, C), in NumPy."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    places = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)] if shifted else [(1, 1)]
    found = [padded[:, i : i + SHAPE[0], j : j + SHAPE[1]] for i, j in places]
    return [*found, *(view[:, :, ::-1] for view in found)] if mirrored else found


@pytest.fixture(scope="module", params=KNOBS, ids=lambda knobs: "+".join(knobs))
def knobs(request):
    return request.param


@pytest.fixture(scope="module")
def nets(knobs):
    keras.utils.set_random_seed(1)
    viewing = zoo.cnn(SHAPE, 3, filters=(4, 6), convolutions=1, **knobs)
    plain = zoo.cnn(SHAPE, 3, filters=(4, 6), convolutions=1)
    plain.set_weights(viewing.get_weights())
    return viewing, plain


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(40, *SHAPE)).astype("float32")


def test_the_answer_is_the_mean_of_all_views(nets, x, knobs):
    viewing, plain = nets
    wanted = np.mean([plain.predict(view, verbose=0) for view in views(x, **knobs)], axis=0)
    np.testing.assert_allclose(viewing.predict(x, verbose=0), wanted, atol=1e-6)


def test_a_training_step_is_that_of_the_plain_net(nets, x):
    y, histories = np.arange(40) % 3, []
    for net in map(keras.models.clone_model, nets):
        net.set_weights(nets[0].get_weights())
        net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        histories.append(fit(net, (x, y), epochs=2, batch_size=16)["loss"])
    assert histories[0] == histories[1]


def test_it_costs_as_much_as_its_views_and_no_parameter(nets, x, knobs):
    viewing, plain = map(costs, nets)
    assert viewing.parameters == plain.parameters
    assert viewing.macs == len(views(x, **knobs)) * plain.macs > 0


def test_the_int8_file_answers_as_the_model_and_no_weight_is_in_it_twice(nets, x, knobs, tmp_path):
    result = zoo.export(nets[0], tmp_path, precisions=["int8"], calibration=x, name="views", report=lambda _: None)
    assert result.verified
    file = tmp_path / "tflite" / result.files[0].file
    predict = Runner(file).predict
    if "mirrored" in knobs:
        np.testing.assert_allclose(predict(x[:8]), predict(x[:8, :, ::-1]), atol=1e-6)
    assert np.abs(predict(x) - nets[0].predict(x, verbose=0)).mean() < 0.02
    sizes = [len(buffer.data) for buffer in read_model(file).buffers if buffer.data is not None]
    assert sizes.count(3 * 3 * 4 * 6) == 1


@pytest.mark.parametrize("knob", ["mirrored", "shifted"])
def test_a_series_has_no_such_views(knob):
    with pytest.raises(ValueError, match=rf"{knob}=True is for images, but input_shape=\(20, 2\) is of a series"):
        zoo.cnn((20, 2), 3, **{knob: True})
