"""TensorFlow Datasets: builders run, read and cached; no waiting without a network; nothing half-prepared is used."""

import contextlib
import errno
import hashlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import zoo
from zoo.data import SOURCES, lengths
from zoo.data.prepared import Prepared, check_network
from zoo.data.tfds_builders import prepare_builder

FASHION = SOURCES["fashion_mnist"].carrier
DEBIAN = pytest.mark.skipif(not FASHION.files.here, reason=f"its files are absent: {FASHION.files.command}")

# Four to six words of twenty; the last text has one that no other text has.
TEXTS = [" ".join(f"word{(i * i + 7 * j * i + j) % 20}" for j in range(4 + i % 3)) for i in range(79)] + [
    "only60 word1"
]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No prepared data, no cache, and no name of a host is known."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))

    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "tfds"


def written_builder(tfds, kind, version, feature, samples):
    """A builder as somebody would write it: 60 samples to train, 20 to test, two classes by turns."""

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = kind
        VERSION = tfds.core.Version(version)

        def _info(self):
            label = tfds.features.ClassLabel(names=["a", "b"])
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict({"input": feature, "kind": label}),
                supervised_keys=("input", "kind"), license="CC0", citation="nobody, 2026", disable_shuffling=True,
            )  # fmt: skip

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(0, 60), "test": self._generate_examples(60, 80)}

        def _generate_examples(self, first, end):
            for i in range(first, end):
                yield i, {"input": samples[i], "kind": i % 2}

    return Builder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Small sets that a builder wrote: images in two versions, sequences of two lengths, texts."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_datasets as tfds

        place = tmp_path_factory.mktemp("tfds")
        tfds.disable_progress_bar()
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (80, 4, 4, 1), dtype="uint8")
        sequences = [rng.uniform(0.1, 1, (n, 2)).astype("float32") for n in (2, 5, 3, 4) * 20]
        kinds = {
            "small_images": (tfds.features.Image(shape=(4, 4, 1)), images),
            "small_sequences": (tfds.features.Tensor(shape=(None, 2), dtype=np.float32), sequences),
            "small_texts": (tfds.features.Text(), TEXTS),
        }
        for name, (feature, samples) in kinds.items():
            for version in ("1.0.0", "1.10.0", "1.9.0") if name == "small_images" else ("1.0.0",):
                builder = written_builder(tfds, name, version, feature, samples)
                with contextlib.redirect_stdout(None):
                    builder(data_dir=place).download_and_prepare()
    return place, images, sequences


@pytest.fixture
def small(made, tmp_path, monkeypatch):
    """A copy of them, to damage."""
    shutil.copytree(made[0], tmp_path / "tfds")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "tfds", *made[1:]


def test_any_builder_by_name_version_and_split(small):
    place, images, _ = small
    dataset = zoo.data.tfds("small_images")
    assert Prepared("small_images").folder == place / "small_images" / "1.10.0"  # newer than 1.9.0
    np.testing.assert_array_equal(dataset.test.x, images[60:])
    np.testing.assert_array_equal(dataset.test.y, np.arange(60, 80) % 2)
    assert dataset.train.x.dtype == np.float32 and dataset.train.y.dtype == np.int32
    assert {row.tobytes() for part in (dataset.train, dataset.validation) for row in part.x} == {
        row.tobytes() for row in images[:60].astype("float32")
    }
    assert (dataset.labels, dataset.licence, dataset.citation) == (("a", "b"), "CC0", "nobody, 2026")
    assert zoo.data.load("tfds:small_images:1.0.0").sha256 == dataset.sha256  # these versions hold the same
    named = zoo.data.tfds("small_images", train="train[:50%]", validation="train[50%:]")
    assert [len(part.x) for part in named.parts.values()] == [30, 30, 20]
    cut = zoo.data.tfds("small_images", test=0.25, validation=0.25)
    assert len(cut.test.x) == 16 and sum(len(part.x) for part in cut.parts.values()) == 60
    with pytest.raises(LookupError, match="has no split 'tset'; it has train, test"):
        zoo.data.tfds("small_images", test="tset")
    with pytest.raises(LookupError, match="inputs=image is not one of its features, input, kind"):
        zoo.data.tfds("small_images", inputs="image")
    with pytest.raises(LookupError, match="'tfds:small_images:3.0.0' is not on this machine; .*zoo data prepare tfds:"):
        zoo.data.tfds("small_images:3.0.0")


def test_sequences_are_padded_to_the_longest_of_all_splits(small):
    dataset = zoo.data.tfds("small_sequences")
    assert dataset.input_shape == (5, 2)
    for x, sequence, length in zip(dataset.test.x, small[2][60:], lengths(dataset.test.x), strict=True):
        np.testing.assert_array_equal(x[:length], sequence)


def test_texts_become_tokens_of_the_words_of_train(small):
    dataset = zoo.data.tfds("small_texts", words=40, steps=6)
    word = np.array(dataset.vocabulary)
    read = [" ".join(word[row]).replace("[unknown]", "only60").strip() for row in dataset.test.x]
    assert read == TEXTS[60:], "cut or padded to six words, in their order"
    trained = {" ".join(word[row]).strip() for row in dataset.train.x}
    assert trained <= set(TEXTS[:60]), "no word of train is unknown"
    assert set(dataset.vocabulary[2:]) == {w for text in trained for w in text.split()}
    held = zoo.data.tfds("small_texts", train="train[:40]", validation="train[40:]", words=40, steps=6)
    assert {len(held.test.x), len(held.validation.x)} == {20} and held.labels == ("a", "b")


def test_arrays_are_kept_and_a_damaged_copy_is_made_anew(small, monkeypatch, tmp_path):
    first = zoo.data.tfds("small_images")
    kept = sorted((tmp_path / "cache" / "tfds").glob("*.npz"))
    assert len(kept) == 2
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "tensorflow_datasets", None)  # an import would fail
        assert zoo.data.tfds("small_images").sha256 == first.sha256
    for damage in (lambda b: b[: len(b) // 2], lambda b: b[:400] + bytes([b[400] ^ 255]) + b[401:], lambda b: b""):
        for path in kept:
            path.write_bytes(damage(path.read_bytes()))
        assert zoo.data.tfds("small_images").sha256 == first.sha256


def test_without_room_for_the_cache_data_come_all_the_same(small, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cache")

    monkeypatch.setattr(np, "savez", full)
    assert len(zoo.data.tfds("small_images").test.x) == 20
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-100]), "is cut or damaged"),
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:300] + b"????" + file.read_bytes()[304:]), "is damaged"),
    ],
)
def test_damaged_records_are_told_with_the_command_that_mends_them(small, damage, message):
    folder = small[0] / "small_images" / "1.0.0"
    damage(next(folder.glob("*train*")))
    with pytest.raises(ValueError, match=message) as error:
        zoo.data.tfds("small_images:1.0.0")
    assert f"rm -r {folder} && zoo data prepare tfds:small_images:1.0.0" in str(error.value)


def test_what_a_kill_leaves_behind_is_not_used(small):
    folder = small[0] / "small_sequences"
    (folder / "1.0.0").rename(folder / "1.0.0.incompleteABCDEF")  # the name until all is written
    with pytest.raises(LookupError, match="zoo data prepare tfds:small_sequences"):
        zoo.data.tfds("small_sequences")


# Without a network


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "tfds:cifar10",
            "tfds:cifar10 cannot be downloaded (www.cs.toronto.edu: [Errno -2] Name or service not known)",
        ),
        ("tfds:emnist/letters:3.1.0", "run `zoo data prepare tfds:emnist/letters:3.1.0` where there is a network"),
        ("tfds:speech_commands", "--wait lets TensorFlow Datasets try"),
        ("tfds:Cifar-10", "builder='Cifar-10' must be a name"),
    ],
)
def test_one_line_at_once_where_nothing_can_be_downloaded(zoo_command, empty, name, message):
    done = zoo_command("data", "prepare", name, check=2)
    assert message in done.stderr and done.stderr.count("\n") == 1 and not done.stdout
    assert not empty.exists()


def test_a_name_server_without_an_answer_is_not_waited_for_and_tensorflow_is_not_imported(empty, tmp_path):
    program = (
        "import sys\nfrom zoo.cli import main\nsys.argv = ['zoo', 'data', 'prepare', 'tfds:cifar10']\n"
        "import socket\n"
        "def lost(*_, **__): import time; time.sleep(600)\n"  # a name server that does not answer
        "socket.getaddrinfo = lost\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'keras', 'tensorflow_datasets'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stdout == "[]\n", done.stderr
    assert "www.cs.toronto.edu: no answer within 1 s" in done.stderr and done.stderr.count("\n") == 1


def test_the_command_that_brings_fashion_mnist_depends_on_what_is_here(empty, monkeypatch, zoo_command, tmp_path):
    with pytest.raises(LookupError, match="'fashion_mnist' is not on this machine; this brings it: .*zoo data prepare"):
        zoo.data.fashion_mnist()
    monkeypatch.setattr(type(FASHION.files), "here", False)
    done = zoo_command("data", "prepare", "fashion_mnist", check=2)
    assert "sudo apt-get install dataset-fashion-mnist && zoo data prepare fashion_mnist" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_host_that_answers_is_enough(monkeypatch):
    import http.server
    import threading

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(405)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}/a.zip"
        assert check_network(["http://127.0.0.1:9/a.zip", here]) is None  # port 9 refuses
        assert check_network([]) is None
        assert "refused" in check_network(["http://127.0.0.1:9/a.zip"])
        server.shutdown()
    assert Prepared("cifar10").downloads().popitem()[1]["bytes"] == 170052171
    assert len(Prepared("imdb_reviews").downloads()) == 1 and Prepared("no_such_builder").downloads() == {}


# The real builder


@DEBIAN
def test_fashion_mnist_is_prepared_by_its_builder_from_debians_files(empty, zoo_command):
    told = json.loads(zoo_command("data", "prepare", "fashion_mnist", "--json", check=0).stdout)
    assert told["samples"] == {"train": 51_000, "validation": 9_000, "test": 10_000}
    assert told["sha256"].startswith("699ff835a8c2")
    assert [p.name for p in empty.iterdir()] == ["fashion_mnist"]  # no downloads are left
    dataset = zoo.data.fashion_mnist()
    source = SOURCES["fashion_mnist"]
    assert source.here and (dataset.licence, dataset.citation) == (source.licence, source.citation)
    assert dataset.labels[9] == "Ankle boot" and dataset.input_shape == source.shape
    import gzip

    def idx(name, skip):
        return np.frombuffer(gzip.decompress((FASHION.files.folder / name).read_bytes()), "uint8", offset=skip)

    def of(x, y):
        return sorted((image.tobytes(), int(label)) for image, label in zip(x.astype("uint8"), y, strict=True))

    test = of(idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1), idx("t10k-labels-idx1-ubyte.gz", 8))
    assert of(*dataset.test) == test
    both = (np.concatenate(pair) for pair in zip(dataset.train, dataset.validation, strict=True))
    train = of(idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1), idx("train-labels-idx1-ubyte.gz", 8))
    assert of(*both) == train  # none of them is also a test sample, as the next lines say
    one, other, third = ({x.tobytes() for x in part.x} for part in dataset.parts.values())
    assert not one & other and not one & third and not other & third
    np.testing.assert_allclose(np.bincount(dataset.validation.y) / 9_000, 0.1, atol=0.001)
    assert zoo.data.load("fashion_mnist", shape=(28, 28)).input_shape == (28, 28)


@pytest.fixture
def debian(tmp_path):
    """A copy of Debian's files, to damage."""
    folder = tmp_path / "debian"
    shutil.copytree(FASHION.files.folder, folder)
    return Prepared("fashion_mnist", type(FASHION.files)(folder)), folder


@DEBIAN
@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda b: b[: len(b) // 2], ValueError, "is cut, damaged or of another version"),
        (lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:], ValueError, "its SHA-256 is"),
        (None, LookupError, "there is no .*t10k-labels-idx1-ubyte.gz"),
    ],
)
def test_debians_files_are_checked_before_anything_is_prepared(empty, debian, damage, error, message):
    carrier, folder = debian
    file = folder / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(damage(file.read_bytes())) if damage else file.unlink()
    with pytest.raises(error, match=f"{message}.*sudo apt-get install --reinstall dataset-fashion-mnist"):
        prepare_builder(carrier, report=lambda line: None)
    assert carrier.folder is None and not [p for p in empty.rglob("*") if p.is_file()]


@DEBIAN
def test_restored_files_are_those_that_their_authors_published(tmp_path):
    downloads = {known["file"]: known["sha256"] for known in FASHION.downloads().values()}
    assert len(downloads) == 4
    FASHION.files.restore(tmp_path, downloads)
    for name, sha256 in downloads.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256
    listed = Path(
        subprocess.check_output(["gzip", "-lN", tmp_path / "train-images-idx3-ubyte.gz"], text=True).split()[-1]
    )
    assert listed.name == "train-images-idx3-ubyte"


@DEBIAN
def test_a_full_disk_leaves_nothing_that_could_be_used(empty):
    """No file may grow beyond 30 MB: the builder fails while it unpacks or writes, as on a full disk."""
    limit = 30_000_000
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "data", "prepare", "fashion_mnist"], capture_output=True, text=True, cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("zoo: ") == 1 and not done.stdout
    assert "File too large" in done.stderr
    assert FASHION.folder is None and not [p for p in empty.rglob("*") if p.is_file()]
    with pytest.raises(LookupError, match="zoo data prepare fashion_mnist"):
        zoo.data.fashion_mnist()


def test_an_unknown_builder_names_the_nearest(empty, zoo_command):
    done = zoo_command("data", "prepare", "tfds:fashion_mnis", check=2)
    assert done.stderr == "zoo: TensorFlow Datasets has no builder 'fashion_mnis'; did you mean 'fashion_mnist'?\n"


def test_a_wrong_checksum_and_a_builder_that_fails_are_one_line(empty, monkeypatch, zoo_command):
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    from zoo.data import tfds_builders

    class Builder:
        data_path = empty / "toy" / "1.0.0"

        def download_and_prepare(self, **_):
            raise NonMatchingChecksumError("Artifact http://x/y.zip has wrong checksum.\nExpected a, got b")

    monkeypatch.setattr(tfds_builders, "_builder", lambda carrier: Builder())
    done = zoo_command("data", "prepare", "tfds:toy", "--wait", check=2)
    assert (
        "zoo: tfds:toy was not prepared: Artifact http://x/y.zip has wrong checksum. Expected a, got b" in done.stderr
    )
    assert not [p for p in empty.rglob("*") if p.is_file()]
