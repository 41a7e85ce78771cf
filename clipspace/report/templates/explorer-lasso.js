// The lasso, a line drawn around points; and files of the points that are shown.

const lassoButton = root.querySelector("[data-lasso]");
const shown = root.querySelector(".shown");
const rope = map.querySelector(".rope");
const lasso = { on: false, line: null }; // line: pixels of the map, while it is drawn

function setLasso(on) {
  lasso.on = on;
  lassoButton.ariaPressed = String(on);
  map.classList.toggle("lassoing", on);
}

function drawRope() {
  rope.setAttribute("points", (lasso.line ?? []).map((point) => point.join()).join(" "));
}

function extendLasso(point) {
  lasso.line ??= [point];
  const [x, y] = lasso.line.at(-1);
  if (Math.hypot(point[0] - x, point[1] - y) >= 3) lasso.line.push(point);
  drawRope();
}

function dropLasso() {
  lasso.line = null;
  drawRope();
}

/** Selects what is inside the line; a line around nothing selects as before. */
function closeLasso() {
  const rows = rowsWithin(lasso.line);
  dropLasso();
  setLasso(false);
  if (!rows.length) return;
  state.selected = rows;
  light();
  status.textContent = shown.querySelector("output").textContent;
}

function dropSelection() {
  state.selected = null;
  light();
}

/** Whether a pixel is inside a closed line, by the number of its edges to the right. */
function isWithin([x, y], line) {
  let within = false;
  for (let k = 0, before = line.length - 1; k < line.length; before = k++) {
    const [[x1, y1], [x2, y2]] = [line[k], line[before]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) within = !within;
  }
  return within;
}

function rowsWithin(line) {
  const [[left, right], [top, bottom]] = [0, 1].map((axis) => extent(line.map((point) => point[axis])));
  const { side, starts, order } = cells;
  const column = (px) => cells.column(view.x + (px - view.width / 2) * view.unit);
  const row = (py) => cells.row(view.y - (py - view.height / 2) * view.unit);
  const marks = new Uint8Array(n);
  for (let r = row(bottom); r <= row(top); r++) {
    const to = starts[r * side + column(right) + 1];
    for (let k = starts[r * side + column(left)]; k < to; k++) marks[order[k]] = isWithin(place(order[k]), line);
  }
  return rowsOf(marks);
}

/** Says how many points are shown, where not all are. */
function sayShown(rows) {
  shown.hidden = !rows;
  if (rows) shown.querySelector("output").textContent = `${format(rows.length)} shown`;
  shown.querySelector("[data-clear]").hidden = !state.selected;
}

const field = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** The text of a file of points, in pieces: their names, one a line; or a table of all that is known of them. */
function piecesOf(rows, kind) {
  if (kind === "txt") return Array.from(rows, (i) => `${nameOf(i).replace(/[\r\n]+/g, " ")}\n`);
  const valueAt = (column, i) => (column.numbers ? column.numbers[i] : column.codes[i] < 0 ? "" : labelOf(column, column.codes[i]));
  const head = ["name", ...(captions ? ["caption"] : []), ...columns.map((column) => column.name), "x", "y"];
  const line = (values) => `${values.map((value) => field(Number.isNaN(value) ? "" : String(value))).join(",")}\n`;
  const values = (i) => [nameOf(i), ...(captions ? [captionOf(i)] : []), ...columns.map((column) => valueAt(column, i)), xs[i], ys[i]];
  return [line(head), ...Array.from(rows, (i) => line(values(i)))];
}

async function save(kind) {
  await unpacked;
  const file = new Blob(piecesOf(litRows(), kind), { type: kind === "txt" ? "text/plain" : "text/csv" });
  const link = make("a", { href: URL.createObjectURL(file), download: `points.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function listenToLasso() {
  lassoButton.addEventListener("click", () => setLasso(!lasso.on));
  shown.addEventListener("click", ({ target }) => {
    if (target.dataset.save) save(target.dataset.save);
    if ("clear" in target.dataset) dropSelection();
  });
}
