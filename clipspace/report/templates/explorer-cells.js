// Grids over the map: they find the point under the pointer, and which points of the part that is seen to draw.

const bounds = { x: extent(xs), y: extent(ys) };

/** A stride that visits n rows in an order unlike theirs: rows near each other may be alike. */
function stride(count) {
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  let step = Math.max(Math.round(count * 0.618), 1);
  while (divisor(step, count) !== 1) step++;
  return step;
}

/** The points of each cell of a grid, mixed: those of cell c are order[starts[c]] to order[starts[c + 1] - 1]. */
function sortIntoCells() {
  const side = Math.max(Math.ceil(Math.sqrt(n / 12)), 1);
  const scale = [side / (bounds.x[1] - bounds.x[0] || 1), side / (bounds.y[1] - bounds.y[0] || 1)];
  const step = (value, low, factor) => Math.min(Math.max(Math.floor((value - low) * factor), 0), side - 1);
  const column = (x) => step(x, bounds.x[0], scale[0]);
  const row = (y) => step(y, bounds.y[0], scale[1]);
  const cellOf = (i) => row(ys[i]) * side + column(xs[i]);
  const starts = new Uint32Array(side * side + 1);
  for (let i = 0; i < n; i++) starts[cellOf(i) + 1]++;
  for (let c = 0; c < side * side; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  const order = new Uint32Array(n);
  const by = stride(n);
  for (let k = 0, i = 0; k < n; k++, i = (i + by) % n) order[next[cellOf(i)]++] = i;
  return { side, column, row, starts, order };
}

const cells = sortIntoCells();

/** The range of columns and rows of the cells in the part of the map that is seen, and `margin` pixels around it. */
function seenCells(margin) {
  const [dx, dy] = [view.width / 2 + margin, view.height / 2 + margin].map((pixels) => pixels * view.unit);
  const [left, right] = [cells.column(view.x - dx), cells.column(view.x + dx)];
  return { left, right, bottom: cells.row(view.y - dy), top: cells.row(view.y + dy) };
}

function countSeen(margin = 0) {
  const { left, right, bottom, top } = seenCells(margin);
  const { side, starts } = cells;
  let count = 0;
  for (let row = bottom; row <= top; row++) count += starts[row * side + right + 1] - starts[row * side + left];
  return count;
}

/** A number from 0 to 1 that has nothing to do with those of the integers beside it. */
function mixed(integer) {
  let bits = Math.imul(integer ^ (integer >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

const gathered = new Uint32Array(n);

/**
 * Slice number `slice` of `slices` of the points in the part that is seen: the same share of every cell's. With a mask,
 * those of them that it marks with `wanted`.
 */
function gather(slice, slices, { mask = null, wanted = 1, margin = 0 } = {}) {
  const { left, right, bottom, top } = seenCells(margin);
  const { side, starts, order } = cells;
  let count = 0;
  for (let row = bottom; row <= top; row++) {
    for (let c = row * side + left; c <= row * side + right; c++) {
      const from = starts[c];
      const size = starts[c + 1] - from;
      if (!size) continue;
      const shift = slices > 1 ? mixed(c) : 0; // rounds shares of few points up as often as they ask for
      const stop = from + Math.floor((size * (slice + 1)) / slices + shift);
      for (let k = from + Math.floor((size * slice) / slices + shift); k < stop; k++) {
        if (!mask || mask[order[k]] === wanted) gathered[count++] = order[k];
      }
    }
  }
  return gathered.subarray(0, count);
}

const REACH = 20; // pixels from the pointer within which a point is found

/** The point nearest to a pixel of the map, null where none is within reach. */
function pointAt(px, py) {
  const [x, y] = [view.x + (px - view.width / 2) * view.unit, view.y - (py - view.height / 2) * view.unit];
  const reach = REACH * view.unit;
  let [best, least] = [null, reach * reach];
  for (let row = cells.row(y - reach); row <= cells.row(y + reach); row++) {
    const from = cells.starts[row * cells.side + cells.column(x - reach)];
    const to = cells.starts[row * cells.side + cells.column(x + reach) + 1];
    for (let k = from; k < to; k++) {
      const i = cells.order[k];
      const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (far < least || (far === least && (best === null || i > best))) [best, least] = [i, far];
    }
  }
  return best;
}
