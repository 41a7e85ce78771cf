// The explorer: what is chosen, searched and coloured, and the hands that change it.

const root = document.getElementById("explorer");
const box = document.getElementById("explorer-search");
const count = root.querySelector(".count");
const status = root.querySelector("[role=status]");
const legend = root.querySelector(".legend");
const picker = document.getElementById("explorer-colour");
const pictures = document.getElementById("explorer-pictures");
const everything = Array.from(xs.keys());
const state = {
  kept: null, // the point that was clicked, or stepped to
  under: null, // the point under the pointer
  found: null, // the points a search found, null without one
  at: -1, // which of them was stepped to
  label: null, // the one label of the column that is shown
  column: columns[0] ?? null,
  colours: coloursOf(columns[0]),
  lit: everything, // the points that are neither searched nor labelled away
};

let frame = 0;
let moved = false;

/** Draws on the next frame whatever changed; `look` when the map itself moved. */
function draw(look = false) {
  moved ||= look;
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (moved) Plotly.relayout(plot, ranges());
    moved = false;
    const i = state.under ?? state.kept;
    drawTiles(pictures?.checked ? state.lit : [], state.colours);
    drawMarks(i, i === null ? [] : neighboursOf(i).map(({ row }) => row));
  });
}

function show() {
  showPoint(state.under ?? state.kept, state.colours, state.column);
  draw();
}

function keep(i, said = "") {
  if (i === null) return;
  Object.assign(state, { kept: i, under: null });
  bring(i);
  show();
  draw(true);
  status.textContent = [data.names[i], data.captions?.[i], said].filter(Boolean).join(". ");
}

function light() {
  const labelled = (i) => state.label === null || state.column.codes[i] === state.label;
  state.lit = (state.found ?? everything).filter(labelled);
  const some = state.lit.length < n;
  Plotly.restyle(plot, { selectedpoints: [some ? state.lit : null] });
  draw();
}

function find() {
  const query = box.value.trim();
  state.found = query ? search(query) : null;
  state.at = -1;
  count.textContent = query ? `${format(state.found.length)} of ${format(n)}` : "";
  for (const button of root.querySelectorAll(".step")) button.disabled = !state.found?.length;
  light();
}

function step(by) {
  if (!state.found?.length) return;
  const total = state.found.length;
  state.at = state.at < 0 && by < 0 ? total - 1 : (state.at + by + total) % total;
  count.textContent = `${format(state.at + 1)} of ${format(total)}`;
  keep(state.found[state.at], `Match ${state.at + 1} of ${total}`);
}

function labelButton(name, code, size) {
  const dot = make("span", { class: `dot ${symbolOf(code) ?? ""}` });
  dot.style.background = colourOf(code);
  return make("button", { type: "button", "data-code": code, "aria-pressed": "false" }, dot, name, make("small", {}, format(size)));
}

function drawLegend() {
  legend.replaceChildren();
  if (state.column?.codes) {
    const sizes = new Map();
    for (const code of state.column.codes) sizes.set(code, (sizes.get(code) ?? 0) + 1);
    const { labels } = state.column;
    const most = data.palette.length * data.shapes.length;
    legend.append(...labels.slice(0, most).map((name, code) => labelButton(name, code, sizes.get(code))));
    if (labels.length > most) legend.append(make("span", {}, `${format(labels.length - most)} more in grey`));
    if (sizes.has(-1)) legend.append(labelButton("missing", -1, sizes.get(-1)));
  } else if (state.column) {
    const [low, high] = extent(state.column.numbers.filter(Number.isFinite));
    const bar = make("span", { class: "scale" });
    bar.style.background = `linear-gradient(to right, ${data.scale.join(",")})`;
    legend.append(make("span", {}, format(low)), bar, make("span", {}, format(high)));
  }
}

function colour() {
  state.column = columns[Number(picker.value)] ?? null;
  state.colours = coloursOf(state.column);
  state.label = null;
  Plotly.restyle(plot, { "marker.color": [state.colours], "marker.symbol": [symbolsOf(state.column)] });
  drawLegend();
  light();
  show();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const ZOOMS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };

function zoomBy(factor, px, py) {
  factor ? zoom(factor, px, py) : fit();
  draw(true);
}

/** The point nearest to the middle of the map, where stepping starts. */
function middle() {
  const far = (i) => Math.hypot(xs[i] - view.x, ys[i] - view.y);
  return state.lit.reduce((best, i) => (best === null || far(i) < far(best) ? i : best), null);
}

function mapKey(event) {
  const { key } = event;
  if (key in ARROWS) keep(state.kept === null ? middle() : towards(state.kept, ...ARROWS[key], state.lit));
  else if (key in ZOOMS) zoomBy(ZOOMS[key]);
  else if (key === "0") zoomBy(0);
  else if (key === "Enter") panel.querySelector(".neighbours button")?.focus();
  else return;
  event.preventDefault();
}

function searchKey(event) {
  const by = { Enter: event.shiftKey ? -1 : 1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") box.value = "";
  else if (!by) return;
  event.preventDefault();
  if (by) step(by);
  else find();
}

function neighbourKey(event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const buttons = [...panel.querySelectorAll(".neighbours button")];
  const at = buttons.indexOf(event.target);
  if (event.key === "Escape") map.focus();
  if (!by || at < 0) return;
  event.preventDefault();
  buttons[(at + by + buttons.length) % buttons.length].focus();
}

function goToNeighbour(event) {
  const button = event.target.closest(".neighbours button");
  if (!button) return;
  const at = [...button.parentElement.children].indexOf(button);
  keep(Number(button.dataset.row));
  panel.querySelectorAll(".neighbours button")[at]?.focus(); // the panel is new: stay on the same place of the list
}

/** One finger or the mouse moves the map; two fingers zoom it. */
function handGestures() {
  const down = new Map();
  const centre = (points) => points.reduce(([x, y], [px, py]) => [x + px / points.length, y + py / points.length], [0, 0]);
  const width = (points) => (points.length > 1 ? Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) : 1);
  const at = (event) => {
    const { left, top } = map.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  map.addEventListener("pointerdown", (event) => down.set(event.pointerId, at(event)));
  map.addEventListener("pointermove", (event) => {
    const from = down.get(event.pointerId);
    const to = at(event);
    if (!from || (!map.hasPointerCapture(event.pointerId) && Math.hypot(to[0] - from[0], to[1] - from[1]) < 4)) return;
    map.setPointerCapture(event.pointerId); // from here on it is no click
    const before = [...down.values()];
    down.set(event.pointerId, to);
    const after = [...down.values()];
    const [x, y] = centre(after);
    pan(x - centre(before)[0], y - centre(before)[1]);
    zoomBy(width(after) / width(before), x, y);
  });
  for (const name of ["pointerup", "pointercancel"]) map.addEventListener(name, (event) => down.delete(event.pointerId));
  const wheel = (event) => {
    event.preventDefault();
    zoomBy(2 ** (-event.deltaY / (event.deltaMode ? 12 : 360)), ...at(event));
  };
  map.addEventListener("wheel", wheel, { passive: false });
}

function listen() {
  let typing = 0;
  box.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(find, 120);
  });
  box.addEventListener("keydown", searchKey);
  for (const button of root.querySelectorAll(".step")) button.addEventListener("click", () => step(Number(button.dataset.step)));
  picker?.addEventListener("change", colour);
  pictures?.addEventListener("change", () => draw());
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const code = Number(button.dataset.code);
    state.label = state.label === code ? null : code;
    for (const other of legend.children) other.ariaPressed = String(Number(other.dataset.code) === state.label);
    light();
  });
  const factors = { in: 1.5, out: 1 / 1.5, fit: 0 };
  for (const button of root.querySelectorAll(".zoom button")) button.addEventListener("click", () => zoomBy(factors[button.dataset.zoom]));
  map.addEventListener("keydown", mapKey);
  map.addEventListener("dblclick", () => zoomBy(0));
  panel.addEventListener("click", goToNeighbour);
  panel.addEventListener("keydown", neighbourKey);
  plot.on("plotly_hover", ({ points }) => {
    state.under = points[0].pointIndex;
    show();
  });
  plot.on("plotly_unhover", () => {
    if (state.kept !== null) state.under = null; // else what was seen last stays
    show();
  });
  plot.on("plotly_click", ({ points }) => keep(points[0].pointIndex));
  handGestures();
  new ResizeObserver(() => {
    measure();
    Plotly.relayout(plot, { width: view.width, height: view.height });
    draw(true);
  }).observe(map);
}

measure();
fit();
drawLegend();
showPoint(null);
drawMap(state.colours, symbolsOf(state.column)).then(() => {
  performance.mark("explorer-drawn");
  listen();
});
