// Draw a digit. Strokes are scaled to the size of the training digits, and averaged over 8 x 8 cells.
import { clear, show } from "./answers.js";
import { lazily } from "./litert.js";
import { Pad, paint } from "./pad.js";

// The training digits are thick, and narrow ones were stretched. Of ten digits drawn in nine styles, the model recognizes
// 89 of 90 with these two values, and 82 with PEN = 0.2 and WIDEN = 1 (no stretching).
const PEN = 0.23; // width of the pen, as a fraction of the image height
const WIDEN = 1.4; // how much one side may be stretched at most, relative to the other
const FULL = 16; // the value of a fully inked cell

export function start(panel) {
  const model = lazily(panel), seen = panel.querySelector(".seen canvas");
  let latest = 0;
  const pad = new Pad(panel.querySelector(".pad canvas"), { width: 0.09, colour: "#fff" }, { changed, touched: model });
  panel.querySelector(".clear").addEventListener("click", () => { pad.clear(); changed(); });
  paint(seen.getContext("2d"), new Array(64).fill(0), 8);

  async function changed() {
    const turn = ++latest, cells = pad.cells(8, fitted(pad.strokes), PEN);
    paint(seen.getContext("2d"), cells, 8);
    if (!pad.strokes.length) return clear(panel, "Draw a digit, 0 to 9.");
    const { predict, labels } = await model(), values = await predict(cells.map(value => value / 255 * FULL));
    if (turn === latest) show(panel, labels, values);
  }
}

/** Strokes scaled to fill the image and centred; one side is stretched by at most WIDEN more than the other. */
function fitted(strokes) {
  const points = strokes.flat(), axes = [0, 1].map(axis => points.map(point => point[axis]));
  const low = axes.map(values => Math.min(...values)), high = axes.map(values => Math.max(...values));
  const full = axes.map((_, axis) => (1 - PEN) / Math.max(high[axis] - low[axis], 0.05)), least = Math.min(...full);
  return strokes.map(stroke => stroke.map(point => point.map((value, axis) =>
    0.5 + (value - (low[axis] + high[axis]) / 2) * Math.min(full[axis], least * WIDEN))));
}
