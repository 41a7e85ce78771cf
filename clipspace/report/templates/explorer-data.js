// What the page carries: packed columns, unpacked when they are wanted.

const root = document.getElementById("explorer");
const status = root.querySelector("[role=status]");
const data = JSON.parse(document.getElementById("explorer-data").textContent);
const parts = [...document.querySelectorAll("script.explorer-part")];
const { n } = data;
const LARGE = 50_000; // points; above it the packed text is let go once it is unpacked, and the page cannot be saved from the browser
const NOTHING = "#8f939c"; // the grey of a point without a colour; seen on light and dark
const ARRAYS = {
  u1: Uint8Array, i1: Int8Array, i2: Int16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};

function bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const values = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) values[k] = text.charCodeAt(k);
  return values;
}

/** A packed array: base64 of deflated bytes, the first byte of every value before the second of any. */
async function unpack({ part, type }) {
  const deflated = new Blob([bytes(parts[part].textContent)]);
  if (n > LARGE) parts[part].remove();
  parts[part] = null;
  const stream = deflated.stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const width = ARRAYS[type].BYTES_PER_ELEMENT;
  if (width === 1) return new ARRAYS[type](planes.buffer);
  const count = planes.length / width;
  const values = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++) {
    for (let k = 0, from = plane * count; k < count; k++) values[k * width + plane] = planes[from + k];
  }
  return new ARRAYS[type](values.buffer);
}

/** Packed texts: their UTF-8 in a row, and where each starts. */
async function unpackTexts(packed) {
  const lengths = await unpack(packed.lengths);
  const starts = new Uint32Array(lengths.length + 1);
  for (let k = 0; k < lengths.length; k++) starts[k + 1] = starts[k] + lengths[k];
  return { starts, utf8: await unpack(packed.bytes) };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function textAt(texts, k) {
  const utf8 = texts.utf8.subarray(texts.starts[k], texts.starts[k + 1]);
  const text = decoder.decode(utf8);
  return text.includes("\ufffd") ? withHalves(utf8) : text;
}

/** Text that holds halves of surrogate pairs, three bytes each, which a decoder of UTF-8 refuses. */
function withHalves(utf8) {
  let [text, from] = ["", 0];
  for (let k = 0; k < utf8.length; k++) {
    if (utf8[k] !== 0xed || utf8[k + 1] < 0xa0) continue;
    const half = 0xd000 | ((utf8[k + 1] & 63) << 6) | (utf8[k + 2] & 63);
    text += decoder.decode(utf8.subarray(from, k)) + String.fromCharCode(half);
    from = k + 3;
  }
  return text + decoder.decode(utf8.subarray(from));
}

async function unpackColumn(column) {
  if (column.numbers) return { ...column, numbers: await unpack(column.numbers) };
  const [labels, codes] = [await unpackTexts(column.labels), await unpack(column.codes)];
  return { ...column, labels, codes, size: labels.starts.length - 1 };
}

const [xs, ys] = [await unpack(data.x), await unpack(data.y)];
const columns = []; // unpacked so far, by their number
if (data.first !== null) columns[data.first] = await unpackColumn(data.columns[data.first]);
let [names, captions, near] = [null, null, null]; // unpacked after the first drawing

const nameOf = (i) => (names ? textAt(names, i) : "…");
const captionOf = (i) => (captions ? textAt(captions, i) : "");

async function unpackTheRest() {
  names = await unpackTexts(data.names);
  if (data.captions) captions = await unpackTexts(data.captions);
  if (data.neighbours) {
    const { k, rows, cosines } = data.neighbours;
    near = { k, rows: await unpack(rows), cosines: await unpack(cosines) };
  }
  for (let k = 0; k < data.columns.length; k++) columns[k] ??= await unpackColumn(data.columns[k]);
}

/** The nearest other points of point i, nearest first: rows and cosines. */
function neighboursOf(i) {
  if (!near) return [];
  const { k, rows, cosines } = near;
  return [...rows.subarray(i * k, (i + 1) * k)]
    .map((row, j) => ({ row, cosine: cosines[i * k + j] / 1000 }))
    .filter(({ row }) => row >= 0);
}

function format(number) {
  if (Number.isNaN(number)) return "missing";
  return number.toLocaleString("en", Number.isInteger(number) ? {} : { maximumSignificantDigits: 4 });
}

function labelOf(column, code) {
  return code < 0 ? "missing" : textAt(column.labels, code);
}

function valueOf(column, i) {
  return column.numbers ? format(column.numbers[i]) : labelOf(column, column.codes[i]);
}

function extent(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  return [low, high];
}
