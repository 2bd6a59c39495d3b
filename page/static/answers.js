// Probabilities as bars, and the best of them in words.
export const percent = p => `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 0 : 1)} %`;

export const best = values => values.indexOf(Math.max(...values));

/** Shows the best three; `when` says after what, and is read out with the answer. */
export function show(panel, labels, values, when = "") {
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3);
  panel.querySelector(".answers").replaceChildren(...order.map(i => {
    const item = document.createElement("li");
    const [name, bar, value] = ["b", "i", "span"].map(tag => item.appendChild(document.createElement(tag)));
    name.textContent = labels[i];
    bar.style.setProperty("--p", values[i]);
    value.textContent = percent(values[i]);
    return item;
  }));
  panel.querySelector("output").textContent = `${when}${labels[order[0]]}, ${percent(values[order[0]])}`;
}

export function clear(panel, text) {
  panel.querySelector(".answers").replaceChildren();
  panel.querySelector("output").textContent = text;
}
