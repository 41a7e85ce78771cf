// The map: where it looks, and what lies over its points.

const map = document.querySelector("#explorer .map");
const marks = map.querySelector(".marks");
const tiles = map.querySelector(".tiles");
const TILE = 36;
const drawn = new Map(); // point -> its picture on the map
const view = { x: 0, y: 0, unit: 1, width: 1, height: 1 }; // centre, data units a pixel, pixels

function measure() {
  const { width, height } = map.getBoundingClientRect();
  Object.assign(view, { width, height });
}

function fit() {
  const [[left, right], [bottom, top]] = [bounds.x, bounds.y];
  const unit = 1.08 * Math.max((right - left) / view.width, (top - bottom) / view.height);
  Object.assign(view, { x: (left + right) / 2, y: (bottom + top) / 2, unit: unit || 1 });
  view.widest = 4 * view.unit;
}

/** Where a place of the plane is, in pixels of the map. */
function placeOf(x, y) {
  return [view.width / 2 + (x - view.x) / view.unit, view.height / 2 - (y - view.y) / view.unit];
}

/** Where point i is, in pixels of the map. */
function place(i) {
  return placeOf(xs[i], ys[i]);
}

function inside([px, py], margin = 0) {
  return px >= margin && py >= margin && px <= view.width - margin && py <= view.height - margin;
}

function pan(dx, dy) {
  view.x -= dx * view.unit;
  view.y += dy * view.unit;
}

/** Closer by a factor, what is at a pixel staying there. */
function zoom(factor, px = view.width / 2, py = view.height / 2) {
  const unit = Math.min(Math.max(view.unit / factor, view.widest / 4e4), view.widest);
  const [dx, dy] = [px - view.width / 2, py - view.height / 2];
  view.x += dx * (view.unit - unit);
  view.y -= dy * (view.unit - unit);
  view.unit = unit;
}

function bring(i) {
  if (!inside(place(i), 40)) Object.assign(view, { x: xs[i], y: ys[i] });
}

/** A ring around point i, or around its picture, and lesser ones around its neighbours. */
function drawMarks(i, others) {
  const shapes = [];
  const add = (kind, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    shapes.push(shape);
  };
  if (i !== null) {
    const [x1, y1] = place(i);
    for (const other of others) {
      const [x2, y2] = place(other);
      add("line", { x1, y1, x2, y2 });
      add("circle", { cx: x2, cy: y2, r: 6 });
    }
    add("circle", { cx: x1, cy: y1, r: drawn.has(i) ? 0.78 * TILE : 10, class: "chosen" });
  }
  marks.replaceChildren(...shapes);
}

/** Points far enough apart for a picture each, the same ones wherever the map is moved. */
function spread(candidates) {
  const cell = 1.7 * TILE * view.unit;
  const taken = new Map(); // the one point with a picture in each cell of a grid
  const key = (column, row) => column * 4_000_037 + row;
  const crowded = (i, other) => Math.max(Math.abs(xs[other] - xs[i]), Math.abs(ys[other] - ys[i])) < cell;
  return candidates.filter((i) => {
    const [column, row] = [Math.floor(xs[i] / cell), Math.floor(ys[i] / cell)];
    for (let cells = 0; cells < 9; cells++) {
      const other = taken.get(key(column - 1 + (cells % 3), row - 1 + Math.floor(cells / 3)));
      if (other !== undefined && crowded(i, other)) return false;
    }
    taken.set(key(column, row), i);
    return true;
  });
}

let chosen = { candidates: null, unit: 0, points: [] };
const TILED = 20_000; // points among which all places for pictures are sought; of more, a sample of those that are seen

/** The points that have a picture on the map: of those that are lit, or of all. */
function tiled(lit, mask) {
  const count = lit ? lit.length : n;
  if (count <= TILED) {
    if (chosen.candidates !== lit || chosen.unit !== view.unit) {
      chosen = { candidates: lit, unit: view.unit, points: spread(lit ? [...lit] : [...xs.keys()]) };
    }
    return chosen.points;
  }
  const around = { mask, margin: 4 * TILE };
  const slices = Math.ceil((countSeen(around.margin) * count) / n / (TILED / 4)) || 1;
  return spread([...gather(0, slices, around)].sort((a, b) => a - b));
}

/** Pictures of some points on the map, in frames of their colour; of none where they are not `shown`. */
function drawTiles(shown, { lit, mask, dress }) {
  const points = shown ? tiled(lit, mask) : [];
  const wanted = new Set(points.filter((i) => inside(place(i), -TILE)));
  for (const [i, tile] of drawn) {
    if (!wanted.has(i)) drawn.delete(i) && tile.remove();
  }
  for (const i of wanted) {
    if (!drawn.has(i)) {
      const tile = document.createElement("div");
      showTile(tile, i, TILE);
      tiles.append(tile);
      drawn.set(i, tile);
    }
    const [px, py] = place(i);
    const tile = drawn.get(i);
    tile.style.transform = `translate(${px - TILE / 2}px, ${py - TILE / 2}px)`;
    tile.style.borderColor = inkOf(dress, i).colour;
  }
}

/** The point nearest to point i of those within 45 degrees of a direction on the map; null at the edge. */
function towards(i, dx, dy, candidates) {
  let [best, least] = [null, Infinity];
  for (const other of candidates) {
    const [x, y] = [xs[other] - xs[i], ys[other] - ys[i]];
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy - y * dx);
    if (along > 0 && aside <= along && along + aside < least) [best, least] = [other, along + aside];
  }
  return best;
}
