// The explorer: what is chosen, searched and coloured.

const box = document.getElementById("explorer-search");
const count = root.querySelector(".count");
const legend = root.querySelector(".legend");
const picker = document.getElementById("explorer-colour");
const pictures = document.getElementById("explorer-pictures");
const state = {
  kept: null, // the point that was clicked, or stepped to
  under: null, // the point under the pointer
  found: null, // the points a search found, null without one
  at: -1, // which of them was stepped to
  selected: null, // the points inside the lasso, null without one
  label: null, // the code of the one label that is shown
  column: columns[data.first] ?? null,
  lit: null, // the points that are left out by no search, lasso or label; null for all
};

/** The points that are shown, as row numbers. */
function litRows() {
  return state.lit ?? rowsWhere(() => true);
}

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
    drawTiles(pictures?.checked, look);
    drawSigns();
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
  showPoint(state.under ?? state.kept, look.dress);
  draw();
}

function keep(i, said = "") {
  if (i === null) return;
  Object.assign(state, { kept: i, under: null });
  bring(i);
  show();
  draw(true);
  status.textContent = [nameOf(i), captionOf(i), said].filter(Boolean).join(". ");
}

/** Dims every point that the search, the lasso or the legend leaves out. */
function light() {
  const { found, selected, label, column } = state;
  const lists = [found, selected].filter(Boolean);
  if (label !== null) lists.push(rowsWhere((i) => column.codes[i] === label));
  state.lit = lists.length ? lists.reduce(common) : null;
  lightUp(state.lit);
  sayShown(state.lit);
  draw(true);
}

/** The rows of a list that are in another one too, in its order. */
function common(rows, others) {
  const marks = new Uint8Array(n);
  for (const i of others) marks[i] = 1;
  return rows.filter((i) => marks[i]);
}

let folded = null; // a promise of the text that is searched

/** What is found: points that hold the words that were typed, near the word of the vocabulary, nearest first. */
async function find() {
  const [query, word] = [box.value.trim(), wordBox?.value.trim() ?? ""];
  const [named, meant] = [query ? search(query, await folded) : null, await rowsOfWord(word)];
  if (query !== box.value.trim() || word !== (wordBox?.value.trim() ?? "")) return; // more was typed while it waited
  const found = meant && named ? common(meant, named) : (meant ?? named);
  state.found = found;
  state.at = -1;
  count.textContent = !found ? "" : `${format(found.length)} ${meant?.length ? "nearest" : `of ${format(n)}`}`;
  if (meant && !meant.length) count.textContent = "no such word";
  for (const button of root.querySelectorAll(".step")) button.disabled = !found?.length;
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

function labelButton(code, size) {
  const { column, inks, rim } = look.dress;
  const button = make("button", { type: "button", "data-code": code, "aria-pressed": "false" });
  button.append(dot(inks[code] ?? inks.at(-1), rim), labelOf(column, code), make("small", {}, format(size)));
  return button;
}

function labelLegend(column) {
  const most = Math.min(column.size, look.dress.inks.length - 1);
  const sizes = new Uint32Array(column.size + 1); // the first: points without a label
  for (const code of column.codes) sizes[code + 1]++;
  const parts = Array.from({ length: most }, (_, code) => labelButton(code, sizes[code + 1]));
  if (sizes[0]) parts.push(labelButton(-1, sizes[0]));
  if (column.size > most) parts.push(make("span", {}, `${format(column.size - most)} more in grey`));
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

async function colour() {
  await unpacked;
  state.column = columns[Number(picker.value)] ?? null;
  state.label = null;
  dress(dressOf(state.column));
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
dress(dressOf(state.column));
lightUp(null);
paint();
drawLegend();
showPoint(null);
performance.mark("explorer-drawn");
const unpacked = nextFrame().then(rest).then(unpackTheRest);
folded = unpacked.then(async () => [names, captions].filter(Boolean)).then(foldAll);
unpacked.then(show);
listen();
draw();
folded.then(() => performance.mark("explorer-ready"));

/** Resolves once what was asked for is drawn: its pixels are there. */
async function settled() {
  await nextFrame();
  await painter.drawn();
}

map.explorer = { state, view, place, look, zoomBy, find, settled, paint, painter }; // for scripts beside the page, and for tests
