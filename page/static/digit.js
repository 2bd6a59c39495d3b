// Draw a digit. The strokes are scaled to the size that the digits of training have, and averaged over 8 x 8 cells.
import { clear, show } from "./answers.js";
import { lazily } from "./litert.js";
import { Pad, paint } from "./pad.js";

// The digits of training are thick, and narrow ones were widened. Of ten digits drawn in nine ways each, wide and slanted,
// 89 are read as what they are with these two; with 0.2 and 1, which widens none, 82.
const PEN = 0.23; // of the picture's height
const WIDEN = 1.4; // at most, against the other side
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

/** Strokes as large as they can be with a pen of PEN, in the middle, their shape kept but for WIDEN. */
function fitted(strokes) {
  const points = strokes.flat(), axes = [0, 1].map(axis => points.map(point => point[axis]));
  const low = axes.map(values => Math.min(...values)), high = axes.map(values => Math.max(...values));
  const full = axes.map((_, axis) => (1 - PEN) / Math.max(high[axis] - low[axis], 0.05)), least = Math.min(...full);
  return strokes.map(stroke => stroke.map(point => point.map((value, axis) =>
    0.5 + (value - (low[axis] + high[axis]) / 2) * Math.min(full[axis], least * WIDEN))));
}
