// The theme follows the system until the button is pressed. Runs before the first paint, so that nothing flashes.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

try {
  const chosen = localStorage.getItem("theme");
  if (chosen) root.dataset.theme = chosen;
} catch {} // the browser may block storage

addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const update = () => button.setAttribute("aria-pressed", isDark());
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch {}
    update();
  });
  dark.addEventListener("change", update);
  update();
});
