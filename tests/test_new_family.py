"""A toy family is added to a copy of the tree by the steps of CONTRIBUTING.md, and the commands there then check it."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

SECTION = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## A builder\n")[1].split("\n## ")[0]
FILES = re.findall(r"^\d\. `(\S*<family>\S*)`", SECTION, re.MULTILINE)
COMMANDS = re.findall(r"^\$ (.*)$", SECTION, re.MULTILINE)
TOY = {
    "zoo/models/<family>.py": '''
"""A toy. Source: F. Rosenblatt, 1958."""

from collections.abc import Sequence
from typing import Unpack

import keras

from zoo.base.checks import check_input_shape, check_size
from zoo.models.blocks import Hidden, Knobs, entrance, with_logits
from zoo.models.builder import builder


@builder(without=("spatial_dropout",))
def toy(
    input_shape: Sequence[int], num_outputs: int, *, width: int = 4, name: str = "toy", **knobs: Unpack[Knobs]
) -> keras.Model:
    """One hidden layer: `zoo.toy((6,), 3)`.

    Args:
        input_shape: (features,).
        num_outputs: size of the logits.
        width: units of the hidden layer.
    """
    hidden = Hidden(**knobs)
    inputs, x = entrance(check_input_shape(input_shape, (1,), "(features,)"), hidden)
    x = hidden.after(keras.layers.Dense(check_size("width", width), **hidden.linear())(x))
    return with_logits(inputs, x, check_size("num_outputs", num_outputs), hidden, name)
''',
    "tests/families/<family>.py": '''
"""toy."""

import numpy as np
from families import Family, Grid

import zoo

FAMILY = Family(
    reads="a vector",
    purpose="tests",
    calls=[("zoo.toy((6,), 3)", "")],
    grids={"toy": Grid("toy", ((6,),), {"width": 4}, {"width": (3, 5)})},
    golden={"toy": [((6,), {})]},
    parameters=[("zoo.toy((6,), 3)", 7 * 4 + 5 * 3)],
    exports={"toy": lambda: zoo.toy((6,), 3)},
    small={"toy": ((6,), {})},
    formula_call="zoo.toy((6,), 3)",
    formula=lambda w, x: np.maximum(x @ w[0] + w[1], 0) @ w[2] + w[3],
)
''',
    "docs/models/<family>.md": """
# toy

## Knobs

| knob | what it does | line |
| --- | --- | --- |
| `width=4` | units | `zoo.toy((6,), 3, width=5)` |
| `dropout=0.0` | after the hidden layer | `zoo.toy((6,), 3, dropout=0.1)` |
| `normalization=None` | before the activation | `zoo.toy((6,), 3, normalization="batch")` |
| `name="toy"` | of the model | `zoo.toy((6,), 3, name="mine")` |

## Example

```python
import zoo

model = zoo.toy((6,), 3)
```

## Cost

<!-- cost -->
<!-- end of cost -->
""",
}


def run(command, folder, **variables):
    settings = [word.split("=", 1) for word in shlex.split(command) if re.match(r"[A-Z_]+=", word)]
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    assert words[0] == "python"
    environment = {**os.environ, **dict(settings), **variables, "PYTHONPATH": str(folder), "ZOO_EXAMPLES": "2"}
    return subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    for name in ("zoo", "tests", "docs", "benchmarks", "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    for name in FILES:
        (folder / name.replace("<family>", "toy")).write_text(TOY[name].lstrip(), encoding="utf-8")
    return folder


def test_the_steps_of_contributing_are_all_that_a_family_needs(tree):
    assert set(FILES) == TOY.keys() and len(COMMANDS) == 3
    for command in COMMANDS:
        done = run(command.replace("<family>", "toy"), tree)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    for kind in ("test_models", "test_conversion", "test_model_pages"):
        assert kind in command
    assert re.search(r"(\d+) passed", done.stdout), done.stdout
    index = (tree / "docs/models/README.md").read_text(encoding="utf-8")
    assert "| [toy](toy.md) | a vector | tests | `zoo.toy((6,), 3)` | 43 |" in index

    builder = tree / "zoo/models/toy.py"
    text = builder.read_text(encoding="utf-8")
    last = 'keras.Model(inputs, keras.layers.Dense(num_outputs, "softmax", name="probabilities")(x), name=name)'
    builder.write_text(re.sub(r"with_logits\(inputs.*", last, text), encoding="utf-8")
    done = run("python -m pytest tests/test_models.py -n 0 -k 'toy and contract'", tree)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout  # it does not end in logits


def test_a_name_that_no_module_has_imports_no_tensorflow():
    program = (
        "import sys, zoo\n"
        "assert 'fnn' in dir(zoo)\n"
        "for name in ('toy', 'blocks', 'cost'):\n"
        "    assert not hasattr(zoo, name)\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=100)
