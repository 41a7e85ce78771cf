// Search over names and captions: both in lower case, thousands of rows to a string, which a browser runs through fast.

const CHUNK = 4096; // rows
const rest = () => new Promise((done) => setTimeout(done));

/** The lower case of some rows as one text, and where in it each starts. */
function foldChunk({ starts, utf8 }, first) {
  const last = Math.min(first + CHUNK, n);
  const slice = utf8.subarray(starts[first], starts[last]);
  const text = decoder.decode(slice);
  if (text.length === slice.length) return { first, text: text.toLowerCase(), starts: starts.subarray(first, last + 1) };
  const rows = Array.from({ length: last - first }, (_, k) => textAt({ starts, utf8 }, first + k).toLowerCase());
  const ends = new Uint32Array(rows.length + 1);
  rows.forEach((row, k) => (ends[k + 1] = ends[k] + row.length));
  return { first, text: rows.join(""), starts: ends };
}

async function foldAll(columnsOfText) {
  const chunks = [];
  for (const texts of columnsOfText) {
    for (let first = 0; first < n; first += CHUNK) {
      chunks.push(foldChunk(texts, first));
      if (chunks.length % 16 === 0) await rest();
    }
  }
  return chunks;
}

/** Marks the rows of a chunk that hold a word. */
function mark({ first, text, starts }, word, marks) {
  let row = 0;
  let at = text.indexOf(word);
  while (at >= 0) {
    while (starts[row + 1] - starts[0] <= at) row++;
    const end = starts[row + 1] - starts[0];
    const within = at + word.length <= end; // not over the end of a row
    if (within) marks[first + row] = 1;
    at = text.indexOf(word, within ? end : at + 1);
  }
}

/** The rows, rising, whose name or caption holds every word of the query. */
function search(query, folded) {
  let all = null;
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const marks = new Uint8Array(n);
    for (const chunk of folded) mark(chunk, word, marks);
    if (all) for (let i = 0; i < n; i++) marks[i] &= all[i];
    all = marks;
  }
  return rowsOf(all);
}

/** The rows, rising, that are marked. */
function rowsOf(marks) {
  const rows = new Uint32Array(n);
  let count = 0;
  for (let i = 0; i < n; i++) if (marks[i]) rows[count++] = i;
  return rows.slice(0, count);
}

/** The rows, rising, of which something is so. */
function rowsWhere(is) {
  const rows = new Uint32Array(n);
  let count = 0;
  for (let i = 0; i < n; i++) if (is(i)) rows[count++] = i;
  return rows.slice(0, count);
}
