// The explorer: what is chosen, searched and coloured.

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
  label: null, // the code of the one label that is shown
  column: columns[data.first] ?? null,
  colours: coloursOf(columns[data.first]),
  lit: everything, // the points that are neither searched nor labelled away
};

let frame = 0;
let moved = false;

/** Draws on the next frame what lies over the map, and the map itself when it moved. */
function draw(mapMoved = false) {
  moved ||= mapMoved;
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (moved) paint();
    moved = false;
    const i = state.under ?? state.kept;
    drawTiles(pictures?.checked ? state.lit : [], state.colours);
    drawMarks(i, i === null ? [] : neighboursOf(i).map(({ row }) => row));
  });
}

function zoomBy(factor, px, py) {
  zoom(factor, px, py);
  draw(true);
}

function showAll() {
  fit();
  draw(true);
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

/** Dims every point that the search or the legend leaves out. */
function light() {
  const labelled = (i) => state.label === null || state.column.codes[i] === state.label;
  state.lit = state.found || state.label !== null ? (state.found ?? everything).filter(labelled) : everything;
  lightUp(state.lit === everything ? null : state.lit);
  draw(true);
}

function find() {
  const query = box.value.trim();
  state.found = query ? search(query) : null;
  state.at = -1;
  count.textContent = query ? `${format(state.found.length)} of ${format(n)}` : "";
  for (const button of root.querySelectorAll(".step")) button.disabled = !state.found?.length;
  light();
}

/** Goes to the next point that was found, or to the one before. */
function step(by) {
  if (!state.found?.length) return;
  const total = state.found.length;
  state.at = state.at < 0 && by < 0 ? total - 1 : (state.at + by + total) % total;
  count.textContent = `${format(state.at + 1)} of ${format(total)}`;
  keep(state.found[state.at], `Match ${state.at + 1} of ${total}`);
}

function labelButton(name, code, size, column) {
  const button = make("button", { type: "button", "data-code": code, "aria-pressed": "false" });
  button.append(dot(colourOf(code, column), code, column), name);
  button.append(make("small", {}, format(size)));
  return button;
}

function labelLegend(column) {
  const { labels, codes } = column;
  const sizes = new Map();
  for (const code of codes) sizes.set(code, (sizes.get(code) ?? 0) + 1);
  const most = data.palette.length * data.shapes.length;
  const parts = labels.slice(0, most).map((name, code) => labelButton(name, code, sizes.get(code), column));
  if (sizes.has(-1)) parts.push(labelButton("missing", -1, sizes.get(-1), column));
  if (labels.length > most) parts.push(make("span", {}, `${format(labels.length - most)} more in grey`));
  return parts;
}

function numberLegend({ numbers }) {
  const [low, high] = extent(numbers.filter(Number.isFinite));
  const bar = make("span", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${data.scale.join(",")})`;
  return [make("span", {}, format(low)), bar, make("span", {}, format(high))];
}

function drawLegend() {
  const { column } = state;
  legend.replaceChildren(...(!column ? [] : column.codes ? labelLegend(column) : numberLegend(column)));
}

function colour() {
  state.column = columns[Number(picker.value)] ?? null;
  state.colours = coloursOf(state.column);
  state.label = null;
  dress(state.colours, shapesOf(state.column), rimOf(state.column));
  drawLegend();
  light();
  show();
}

function chooseLabel(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const code = Number(button.dataset.code);
  state.label = state.label === code ? null : code;
  for (const other of legend.querySelectorAll("button")) {
    other.ariaPressed = String(Number(other.dataset.code) === state.label);
  }
  light();
}

measure();
fit();
drawLegend();
showPoint(null);
dress(state.colours, shapesOf(state.column), rimOf(state.column));
lightUp(null);
paint();
performance.mark("explorer-drawn");
listen();
map.explorer = { state, view, place }; // for scripts beside the page, and for tests
