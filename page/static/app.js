// Sorts the table of models, and starts the panels when the page is loaded; until then they are inert.
addEventListener("load", () => {
  for (const panel of document.querySelectorAll(".panel"))
    import(`./${panel.id}.js`).then(({ start }) => { start(panel); panel.inert = false; });
});

const table = document.querySelector("table.models"), body = table.tBodies[0];
for (const button of table.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), key = button.dataset.key;
    const descending = head.getAttribute("aria-sort") === "ascending" || (key === "order" && !head.ariaSort);
    for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const compare = (a, b) => (isNaN(a) ? a.localeCompare(b) : a - b) * (descending ? -1 : 1);
    body.append(...[...body.rows].sort((a, b) => compare(a.dataset[key], b.dataset[key])));
  });
}
