// Runs released files with LiteRT.js. The runtime is loaded once, at the first prediction.
import { readArchive } from "./archive.js";

let runtime;
const KINDS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

async function start() {
  // LiteRT prints its progress on stderr, which browsers show as errors; real errors are thrown as well.
  self.Module = { printErr: line => console.debug(line) };
  const litert = await import("@litertjs/core");
  await litert.loadLiteRt(new URL("litert/wasm/", import.meta.url).href);
  return litert;
}

/** Loads a model from its URL: the files of its archive, its labels, `run` and `predict`. */
export async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be loaded (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const files = readArchive(bytes);
  const litert = await (runtime ??= start());
  const model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  const inputs = model.getInputDetails();

  /** Maps flat inputs by name to flat outputs by name. */
  async function run(values) {
    const tensors = Object.fromEntries(inputs.map(({ name, dtype, shape }) =>
      [name, new litert.Tensor(KINDS[dtype].from(values[name]), Array.from(shape))]));
    const outputs = {};
    for (const [name, tensor] of Object.entries(await model.run(tensors))) {
      outputs[name] = Array.from(await tensor.data());
      tensor.delete();
    }
    for (const tensor of Object.values(tensors)) tensor.delete();
    return outputs;
  }

  return {
    files, inputs, run,
    labels: files["labels.txt"]?.replace(/\n$/, "").split("\n") ?? [],
    /** The output of a model with one input and one output. */
    predict: async values => Object.values(await run({ [inputs[0].name]: values }))[0],
  };
}

/** Returns a function that loads a panel's model at the first call, and returns the loaded model afterwards. */
export function lazily(panel) {
  const output = panel.querySelector("output");
  let model;
  return async () => {
    if (!model) {
      output.textContent = "Loading…";
      panel.setAttribute("aria-busy", "true");
      model = load(panel.dataset.model).finally(() => panel.removeAttribute("aria-busy"));
    }
    try {
      return await model;
    } catch (error) {
      model = undefined; // try again at the next call
      output.textContent = `The model could not be loaded: ${error.message}`;
      throw error;
    }
  };
}
