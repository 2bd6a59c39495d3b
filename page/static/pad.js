// A square to draw on with a mouse, a finger, a pen or the keyboard. Strokes are lines of points from 0 to 1.
const STEP = 1 / 16; // how far an arrow key moves the pen
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const inside = value => Math.min(1, Math.max(0, value));

export class Pad {
  /** `ink` is { width, colour }; `changed` is called after each stroke, `touched` when a stroke begins. */
  constructor(canvas, ink, { changed, touched }) {
    Object.assign(this, { canvas, ink, changed, strokes: [], picture: null, pen: [0.5, 0.5], down: false });
    const at = event => {
      const box = canvas.getBoundingClientRect();
      return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
    };
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      touched();
      this.down = false;
      this.begin(at(event));
      this.drawing = true;
    });
    canvas.addEventListener("pointermove", event => this.drawing && this.go(at(event)));
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => { if (this.drawing) { this.drawing = false; changed(); } });
    canvas.addEventListener("keydown", event => this.key(event, touched));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
    this.draw();
  }

  key(event, touched) {
    if (event.key in ARROWS) {
      this.pen = this.pen.map((value, axis) => inside(value + ARROWS[event.key][axis] * STEP));
      if (this.down) this.go(this.pen);
    } else if (event.key === " ") {
      touched();
      this.down = !this.down;
      if (this.down) this.begin(this.pen);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else return;
    event.preventDefault();
    this.draw();
    if (event.key === "Delete" || event.key === "Backspace" || this.strokes.length) this.changed();
  }

  begin(point) { this.strokes.push([point]); this.draw(); }

  go(point) { this.strokes.at(-1).push(point); this.pen = point; this.draw(); }

  clear() { Object.assign(this, { strokes: [], picture: null, down: false }); this.draw(); }

  /** Shows an image of grey values from 0 to 255, (size, size), to draw on. */
  show(picture) { this.clear(); this.picture = picture; this.draw(); }

  draw() {
    const context = this.canvas.getContext("2d"), size = this.canvas.width;
    context.fillStyle = "#000";
    context.fillRect(0, 0, size, size);
    if (this.picture) paint(context, this.picture, size);
    trace(context, this.strokes, size, this.ink.width, this.ink.colour);
    if (document.activeElement !== this.canvas) return;
    context.strokeStyle = this.down ? "#ff9d5c" : "#7db4ff";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(this.pen[0] * size, this.pen[1] * size, 9, 0, 7);
    context.stroke();
  }

  /** Grey values from 0 to 255 of n x n cells, each the mean of its pixels. */
  cells(n, strokes = this.strokes, width = this.ink.width, picture = this.picture) {
    const grain = 16, canvas = new OffscreenCanvas(n * grain, n * grain);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000";
    context.fillRect(0, 0, n * grain, n * grain);
    if (picture) paint(context, picture, n * grain);
    trace(context, strokes, n * grain, width, this.ink.colour);
    const pixels = context.getImageData(0, 0, n * grain, n * grain).data, cells = new Array(n * n).fill(0);
    for (let i = 0; i < pixels.length; i += 4) {
      const x = (i / 4) % (n * grain), y = Math.floor(i / 4 / (n * grain));
      cells[Math.floor(y / grain) * n + Math.floor(x / grain)] += pixels[i] / grain ** 2;
    }
    return cells;
  }
}

function trace(context, strokes, size, width, colour) {
  Object.assign(context, { lineWidth: width * size, lineCap: "round", lineJoin: "round", strokeStyle: colour });
  for (const [first, ...rest] of strokes) {
    context.beginPath();
    context.moveTo(first[0] * size, first[1] * size);
    for (const [x, y] of rest.length ? rest : [first]) context.lineTo(x * size, y * size);
    context.stroke();
  }
}

/** Draws n x n grey values (0 to 255) on a canvas of this size; rows from `shown` on are not drawn. */
export function paint(context, values, size, shown = Infinity) {
  const n = Math.sqrt(values.length), cell = size / n;
  values.forEach((value, i) => {
    const row = Math.floor(i / n);
    context.fillStyle = `rgb(${value} ${value} ${value})`;
    if (row < shown) context.fillRect((i % n) * cell, row * cell, Math.ceil(cell), Math.ceil(cell));
  });
}

/** A button that shows an image. */
export function thumbnail(values, label, pressed) {
  const button = document.createElement("button"), canvas = document.createElement("canvas");
  button.type = "button";
  button.setAttribute("aria-label", label);
  canvas.width = canvas.height = Math.sqrt(values.length);
  paint(canvas.getContext("2d"), values, canvas.width);
  button.append(canvas);
  button.addEventListener("click", pressed);
  return button;
}
