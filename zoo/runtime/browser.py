"""LiteRT.js in headless Chromium: whether a file runs in a browser, its outputs and its latency.

with Browser() as browser:
    outputs = browser.run("digits_cnn.int8.tflite", x)     # (n, *input_shape) -> (n, outputs)

It needs Chromium, Playwright to control it, and LiteRT.js; errors name the command that installs each.
"""

import importlib.util
import shutil
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.base.errors import CheckFailed, MissingPackage
from zoo.deploy import Runner

LITERT = "@litertjs/core"
# No background traffic: no updates, no reports, no first-run page.
ARGUMENTS = (  # noqa: SIM905  (root has no sandbox)
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ADDRESS = "https://page.invalid/"  # does not exist: `_serve` fulfils every request
PAGE = f"""<!doctype html><script type="importmap">{{"imports": {{
    "{LITERT}": "/{LITERT}/dist/index.js", "@litertjs/wasm-utils": "/@litertjs/wasm-utils/dist/index.js"
}}}}</script>"""
LOAD = """async () => {
    window.litert = await import("@litertjs/core");
    await litert.loadLiteRt("/@litertjs/core/wasm/");
}"""
RUN = """async ([samples, shape, seconds]) => {
    const model = await litert.loadAndCompile("/model.tflite", {accelerator: "wasm"});
    const [input] = model.getInputDetails();
    const kinds = {float32: Float32Array, int32: Int32Array, uint8: Uint8Array};
    const predict = async sample => {
        const x = new litert.Tensor(kinds[input.dtype].from(sample), shape);
        const [y] = await model.run([x]);
        const values = Array.from(await y.data());
        x.delete(), y.delete();
        return values;
    };
    const outputs = [], times = [];
    for (const sample of samples) outputs.push(await predict(sample));
    for (const end = performance.now() + seconds * 1e3; performance.now() < end; ) {
        const start = performance.now();
        await predict(samples[0]);
        times.push(performance.now() - start);
    }
    model.delete();
    return [outputs, times];
}"""


class Browser:
    """Headless Chromium with LiteRT.js, as a context. Raises ImportError with the command that installs what lacks."""

    def __enter__(self) -> Self:
        if importlib.util.find_spec("playwright") is None:
            raise MissingPackage("pip install 'keras-zoo[browser]'", name="playwright")
        self._packages, executable = packages(), chromium()
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        self._page: Any = None
        self._model = b""
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def run(self, path: str | Path, x: np.ndarray) -> np.ndarray:
        """Outputs (n, outputs) of a .tflite file for inputs (n, *input_shape).

        Raises OSError without the file, CheckFailed with the error of LiteRT.js if it cannot run it.
        """
        return np.array(self._evaluate(path, x, 0)[0], "float32")

    def latency(self, path: str | Path, seconds: float) -> np.ndarray:
        """Seconds of each call, transfers from and to JavaScript included. Raises as `run` does."""
        zeros = np.zeros((1, *(n or 1 for n in Runner(path).input_shape)))
        return np.array(self._evaluate(path, zeros, seconds)[1]) / 1e3

    def _evaluate(self, path: str | Path, x: np.ndarray, seconds: float) -> Any:
        self._model = Path(path).read_bytes()
        try:
            if self._page is None:
                self._page = self._browser.new_page()
                self._page.route("**/*", self._serve)
                self._page.goto(ADDRESS)
                self._page.evaluate(LOAD)
            return self._page.evaluate(RUN, [x.reshape(len(x), -1).tolist(), [1, *x.shape[1:]], seconds])
        except Exception as error:  # Playwright raises one class for its own errors and for those of LiteRT.js
            if self._page is not None:
                self._page.close()
            self._page = None  # its state after a failure is unknown
            reason = str(error).split("\n")[0].removeprefix("Page.evaluate: ").removeprefix("Error: ")
            raise CheckFailed(f"{path} does not run in LiteRT.js: {reason}") from None

    def _serve(self, route: Any) -> None:
        name = route.request.url.removeprefix(ADDRESS)
        if name == "":
            route.fulfill(body=PAGE, content_type="text/html")
        elif name == "model.tflite":
            route.fulfill(body=self._model)
        else:
            route.fulfill(path=self._packages / name)


def chromium() -> str:
    """The path of Chromium. Raises ImportError if it is not installed."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise MissingPackage("apt-get install chromium", name="chromium")


def packages() -> Path:
    """The folder node_modules with LiteRT.js: in the working directory or a checkout's page/. Raises ImportError."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2] / "page"):
        if (folder / "node_modules" / LITERT).is_dir():
            return folder / "node_modules"
    raise MissingPackage(f"npm install {LITERT}", name=LITERT)
