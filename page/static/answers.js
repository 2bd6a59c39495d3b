// Shows probabilities as bars, and the most likely class as text.
export const percent = p => `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 0 : 1)} %`;

export const best = values => values.indexOf(Math.max(...values));

/** Shows the three most likely classes; screen readers read `when` before the result. */
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
