// The points: at once a sample of those that are seen, and all of them, slice by slice, once the map rests.

const OPACITY = { ordinary: 0.85, lit: 1, dim: 0.1, least: 0.08 };
const STILL = 120; // milliseconds without a movement after which all points are drawn
const canvas = map.querySelector(".points");
const painter = painterByGpu(canvas) ?? painterByHand(canvas);
const look = { mask: null, lit: null, dress: null }; // mask: null when no point is dimmed
let painting = 0; // the number of the drawing that is wanted

/** Sets how the points look; see `dressOf`. */
function dress(given) {
  look.dress = given;
  painter.dress(given);
}

/** Dims all points but these; null dims none. */
function lightUp(rows) {
  look.mask = rows && new Uint8Array(n);
  for (const i of rows ?? []) look.mask[i] = 1;
  look.lit = rows && gridOf(rows);
  painter.light(look.mask);
}

/** The width of a point in pixels, and its opacity: less where points lie over each other, so that the dense parts show. */
function sizeAndOpacity() {
  const share = 0.5 * Math.sqrt((view.width * view.height) / n);
  if (n <= SLICE) return { size: Math.min(Math.max(share, 3), 9), opacity: OPACITY.ordinary };
  const closer = view.widest / 4 / view.unit;
  const size = Math.min(Math.max(share * closer, 1.6), 7);
  const layers = (n * size * size) / (view.width * view.height * closer * closer); // points over a pixel, on average
  return { size, opacity: Math.min(Math.max((0.35 * OPACITY.ordinary) / layers, OPACITY.least), OPACITY.ordinary) };
}

/** What is drawn, the lowest first: which points, and how. */
function layers() {
  const { size, opacity } = sizeAndOpacity();
  if (!look.mask) return [{ grid: cells, pass: -1, size, opacity, most: OPACITY.ordinary }];
  const { dim, lit, ordinary } = OPACITY;
  return [
    { grid: cells, pass: 0, size, opacity: (opacity / ordinary) * dim, most: dim },
    { grid: look.lit, pass: 1, size: size + 2, opacity: lit, most: lit },
  ].filter(({ grid }) => grid.order.length);
}

/** Draws what is seen at once: all points, or a sample where they are many, as dark as all of them. */
function paint() {
  const job = ++painting;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const all = layers().map((layer) => ({ ...layer, slices: Math.ceil(countSeen(layer.grid) / painter.slice) || 1 }));
  painter.begin(true);
  for (const layer of all) {
    const opacity = Math.min(layer.opacity * layer.slices, layer.most);
    painter.draw(gather(layer.grid, 0, layer.slices), { ...layer, opacity });
  }
  if (all.some(({ slices }) => slices > 1)) setTimeout(() => job === painting && refine(all, job), STILL);
}

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

/** Draws all points unseen, a slice a frame, and shows them; leaves off when the map moves. */
async function refine(all, job) {
  let begun = false;
  for (const layer of all) {
    for (let slice = 0; slice < layer.slices; slice++) {
      if (job !== painting) return;
      if (!begun) painter.begin(false);
      begun = true;
      painter.draw(gather(layer.grid, slice, layer.slices), layer);
      await nextFrame();
    }
  }
  if (job !== painting) return;
  painter.show();
  performance.mark("explorer-refined");
}

canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
canvas.addEventListener("webglcontextrestored", () => {
  painter.restart();
  painter.dress(look.dress);
  painter.light(look.mask);
  paint();
});
