// A released file in LiteRT.js. The runtime is loaded once, when a model is first asked.
import { readArchive } from "./archive.js";

let runtime;
const KINDS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

async function start() {
  // It tells its progress on stderr, which browsers show as errors; what goes wrong is thrown all the same.
  self.Module = { printErr: line => console.debug(line) };
  const litert = await import("@litertjs/core");
  await litert.loadLiteRt(new URL("litert/wasm/", import.meta.url).href);
  return litert;
}

/** A model from its URL: what is in its archive, its labels, and `run`. */
export async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is not there (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const files = readArchive(bytes);
  const litert = await (runtime ??= start());
  const model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  const inputs = model.getInputDetails();

  /** Inputs by name, each flat, to outputs by name, each flat. */
  async function run(values) {
    const given = Object.fromEntries(inputs.map(({ name, dtype, shape }) =>
      [name, new litert.Tensor(KINDS[dtype].from(values[name]), Array.from(shape))]));
    const outputs = {};
    for (const [name, tensor] of Object.entries(await model.run(given))) {
      outputs[name] = Array.from(await tensor.data());
      tensor.delete();
    }
    for (const tensor of Object.values(given)) tensor.delete();
    return outputs;
  }

  return {
    files, inputs, run,
    labels: files["labels.txt"]?.replace(/\n$/, "").split("\n") ?? [],
    /** The one output for the one input. */
    ask: async values => Object.values(await run({ [inputs[0].name]: values }))[0],
  };
}

/** A function that loads a panel's model at its first call, telling so in its output, and gives it from then on. */
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
      model = undefined; // the next try may do better
      output.textContent = `It could not be loaded: ${error.message}`;
      throw error;
    }
  };
}
