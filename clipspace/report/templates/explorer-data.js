// What the page carries: points, columns, thumbnails.

const data = JSON.parse(document.getElementById("explorer-data").textContent);
const NOTHING = "#8f939c"; // the grey of a point without a colour; seen on light and dark

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

const xs = new Float32Array(bytes(data.x).buffer);
const ys = new Float32Array(bytes(data.y).buffer);
const n = xs.length;
const texts = data.names.map((name, i) => `${name}\n${data.captions?.[i] ?? ""}`.toLowerCase());

const columns = data.columns.map((column) => ({
  ...column,
  codes: column.codes && new Int32Array(bytes(column.codes).buffer),
  numbers: column.numbers && new Float64Array(bytes(column.numbers).buffer),
}));

const near = data.neighbours && {
  k: data.neighbours.k,
  rows: new Int32Array(bytes(data.neighbours.rows).buffer),
  distances: new Float32Array(bytes(data.neighbours.distances).buffer),
};

/** The nearest other points of point i, nearest first: rows and cosines. */
function neighboursOf(i) {
  if (!near) return [];
  const { k, rows, distances } = near;
  return [...rows.subarray(i * k, (i + 1) * k)]
    .map((row, j) => ({ row, cosine: 1 - distances[i * k + j] ** 2 / 2 }))
    .filter(({ row }) => row >= 0);
}

/** The points whose name or caption holds every word of the query. */
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  texts.forEach((text, i) => words.every((word) => text.includes(word)) && found.push(i));
  return found;
}

function format(number) {
  if (Number.isNaN(number)) return "missing";
  return number.toLocaleString("en", Number.isInteger(number) ? {} : { maximumSignificantDigits: 4 });
}

function valueOf(column, i) {
  return column.numbers ? format(column.numbers[i]) : (column.labels[column.codes[i]] ?? "missing");
}

function extent(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  return [low, high];
}

/** A label that names a colour has it; the others have one each, and after the last they come again with another shape. */
function colourOf(code, column) {
  if (code < 0 || code >= data.palette.length * data.shapes.length) return NOTHING;
  return column.own ? column.own[code] : data.palette[code % data.palette.length];
}

function shapeOf(code, column) {
  return data.shapes[column.own ? 0 : Math.max(Math.floor(code / data.palette.length), 0)];
}

/** The shape of the points: one for all of them, or one for each. */
function shapesOf(column) {
  const many = !column?.own && column?.labels?.length > data.palette.length;
  return many ? Array.from(column.codes, (code) => shapeOf(code, column) ?? data.shapes[0]) : data.shapes[0];
}

/** The width of the rim of points: those in their own colour have one, for it may be that of the page. */
function rimOf(column) {
  return column?.own ? 1 : 0;
}

/** A colour for each point. */
function coloursOf(column) {
  if (!column) return Array(n).fill(data.palette[0]);
  if (column.codes) return Array.from(column.codes, (code) => colourOf(code, column));
  const [low, high] = extent(column.numbers.filter(Number.isFinite));
  const steps = data.scale.length / (high - low || 1);
  const step = (number) => Math.min(Math.floor((number - low) * steps), data.scale.length - 1);
  return Array.from(column.numbers, (number) => data.scale[step(number)] ?? NOTHING);
}

const sheets = document.querySelectorAll("script.explorer-sheet");
const urls = [];

function sheetUrl(k) {
  if (!urls[k]) {
    const [head, base64] = sheets[k].textContent.split(";base64,");
    urls[k] = URL.createObjectURL(new Blob([bytes(base64)], { type: head.slice("data:".length) }));
  }
  return urls[k];
}

/** Shows the thumbnail of point i in an element, `size` pixels wide. */
function showTile(element, i, size) {
  const { across, perSheet } = data.tiles;
  const tile = size * 1.03; // a hair too large, for the tiles beside it shine through at the edge
  const [column, row] = [i % across, Math.floor((i % perSheet) / across)];
  const shift = (k) => `${-k * tile - (tile - size) / 2}px`;
  const sheet = sheetUrl(Math.floor(i / perSheet));
  element.style.background = `url(${sheet}) ${shift(column)} ${shift(row)} / ${across * tile}px auto`;
}
