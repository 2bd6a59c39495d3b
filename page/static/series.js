// Play a series through a streaming file: each call reads one step, and passes its state to the next call.
import { clear, show } from "./answers.js";
import { lazily } from "./litert.js";
import { paint, thumbnail } from "./pad.js";

const PAUSE = 90; // milliseconds between two steps
const NEXT = "next_"; // prefix of the outputs that hold a state

export async function start(panel) {
  const model = lazily(panel), play = panel.querySelector(".play");
  const canvas = panel.querySelector(".pad canvas"), course = panel.querySelector(".course");
  let steps = [], state = {}, step = 0, history = [], timer, busy = Promise.resolve();

  function reset(series = steps) {
    pause();
    [steps, state, step, history] = [series, {}, 0, []];
    draw();
    clear(panel, `${steps.length} steps to read.`);
  }

  /** Reads one more step. */
  async function forward() {
    const { inputs, run, labels } = await model();
    if (step === steps.length) return;
    const values = {};
    for (const { name, shape } of inputs)
      values[name] = name === "input" ? steps[step] : state[name] ?? new Array(shape.at(-1)).fill(0);
    const outputs = await run(values);
    state = {};
    for (const [name, output] of Object.entries(outputs))
      if (name.startsWith(NEXT)) state[name.slice(NEXT.length)] = output;
      else history.push(output);
    step++;
    draw();
    Object.assign(panel.dataset, { step, outputs: history.at(-1) });
    show(panel, labels, history.at(-1), `After ${step} of ${steps.length}: `);
  }

  const next = () => (busy = busy.then(forward)); // calls run one after the other, however fast the button is pressed

  function pause() {
    clearTimeout(timer);
    timer = undefined;
    play.textContent = "Play";
  }

  async function go() {
    await next();
    if (timer === undefined) return;
    if (step < steps.length) timer = setTimeout(go, PAUSE);
    else pause();
  }

  function draw() {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (steps.length) paint(context, steps.flat(), canvas.width, step);
    course.replaceChildren(...(history[0] ?? []).map((_, label) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      const at = (values, i) => `${100 * i / (steps.length - 1)},${39 - 38 * values[label]}`;
      line.setAttribute("points", history.map(at).join(" "));
      line.classList.toggle("best", history.at(-1)[label] === Math.max(...history.at(-1)));
      return line;
    }));
  }

  play.addEventListener("click", () => {
    if (timer !== undefined) return pause();
    if (step === steps.length) reset();
    play.textContent = "Pause";
    timer = 0;
    go();
  });
  panel.querySelector(".step").addEventListener("click", () => { pause(); next(); });
  panel.querySelector(".reset").addEventListener("click", () => reset());

  const { inputs } = await (await fetch(panel.dataset.golden)).json();
  const picks = inputs.map((series, i) => thumbnail(series.flat(), `Series ${i + 1} of ${inputs.length}`, () => {
    picks.forEach((pick, other) => pick.setAttribute("aria-pressed", other === i));
    reset(series);
  }));
  panel.querySelector(".samples").append(...picks);
  picks[0].click();
}
