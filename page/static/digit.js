// Draw a digit. The strokes are scaled to the size that the digits of training have, and averaged over 8 x 8 cells.
import { clear, show } from "./answers.js";
import { lazily } from "./litert.js";
import { Pad, paint } from "./pad.js";

const PEN = 0.2; // of the picture's height, as in the digits of training
const FULL = 16; // the value of a cell that is all ink

export function start(panel) {
  const model = lazily(panel), seen = panel.querySelector(".seen canvas");
  let asked = 0;
  const pad = new Pad(panel.querySelector(".pad canvas"), { width: 0.09, colour: "#fff" }, { changed, touched: model });
  panel.querySelector(".clear").addEventListener("click", () => { pad.clear(); changed(); });
  paint(seen.getContext("2d"), new Array(64).fill(0), 8);

  async function changed() {
    const turn = ++asked, cells = pad.cells(8, fitted(pad.strokes), PEN);
    paint(seen.getContext("2d"), cells, 8);
    if (!pad.strokes.length) return clear(panel, "Draw one, 0 to 9.");
    const { ask, labels } = await model(), values = await ask(cells.map(value => value / 255 * FULL));
    if (turn === asked) show(panel, labels, values);
  }
}

/** Strokes as large as they can be with a pen of PEN, in the middle, their shape kept. */
function fitted(strokes) {
  const points = strokes.flat(), axes = [0, 1].map(axis => points.map(point => point[axis]));
  const low = axes.map(values => Math.min(...values)), high = axes.map(values => Math.max(...values));
  const scale = (1 - PEN) / Math.max(high[0] - low[0], high[1] - low[1], 0.05);
  return strokes.map(stroke =>
    stroke.map(point => point.map((value, axis) => 0.5 + (value - (low[axis] + high[axis]) / 2) * scale)));
}
