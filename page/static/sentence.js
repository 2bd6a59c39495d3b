// Type a sentence: the vocabulary in the file's archive turns its words into tokens.
import { percent } from "./answers.js";
import { lazily } from "./litert.js";
import { tokens, wordsOf } from "./words.js";

export function start(panel) {
  const model = lazily(panel), form = panel.querySelector("form"), text = form.elements.text;
  const output = panel.querySelector("output"), scale = panel.querySelector(".scale");
  let vocabulary;
  form.addEventListener("submit", event => { event.preventDefault(); predict(); });
  for (const example of panel.querySelectorAll(".samples button"))
    example.addEventListener("click", () => { text.value = example.textContent; predict(); });

  async function predict() {
    const { predict: run, files, inputs, labels } = await model();
    vocabulary ??= new Map(files["vocabulary.txt"].split("\n").map((word, i) => [word, i]));
    const words = wordsOf(text.value), steps = inputs[0].shape[1], numbers = tokens(words, vocabulary, steps);
    const [p] = await run(numbers);
    Object.assign(panel.dataset, { tokens: numbers, probability: p });
    output.textContent = `${labels[Number(p > 0.5)]}, ${percent(Math.max(p, 1 - p))}`;
    scale.style.setProperty("--p", p);
    panel.querySelector(".tokens").replaceChildren(...words.slice(0, steps).map((word, i) => {
      const item = document.createElement(numbers[i] === 1 ? "s" : "span");
      item.textContent = word;
      return item;
    }));
  }
}
