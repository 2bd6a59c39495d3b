// Pick or draw a garment: 28 x 28 grey values, which are the model's input.
import { clear, show } from "./answers.js";
import { lazily } from "./litert.js";
import { Pad, thumbnail } from "./pad.js";

export async function start(panel) {
  const model = lazily(panel);
  let latest = 0;
  const pad = new Pad(panel.querySelector(".pad canvas"), { width: 0.12, colour: "#bbb" }, { changed, touched: model });
  panel.querySelector(".clear").addEventListener("click", () => { pad.clear(); changed(); });

  async function changed() {
    const turn = ++latest, picked = pad.picture && !pad.strokes.length;
    if (!pad.picture && !pad.strokes.length) return clear(panel, "Pick a garment below, or draw one.");
    const { predict, labels } = await model(), values = await predict(picked ? pad.picture : pad.cells(28));
    if (turn === latest) show(panel, labels, values);
  }

  const { inputs } = await (await fetch(panel.dataset.golden)).json();
  panel.querySelector(".samples").append(...inputs.map((input, i) => {
    const picture = input.flat(Infinity);
    return thumbnail(picture, `Garment ${i + 1} of ${inputs.length}`, () => { pad.show(picture); changed(); });
  }));
}
