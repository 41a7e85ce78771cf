// The points: at once a sample of those that are seen, and all of them, slice by slice, once the map rests.

const OPACITY = { ordinary: 0.85, lit: 1, dim: 0.1, least: 0.08 };
const STILL = 120; // milliseconds without a movement after which all points are drawn
const FRAME = 30; // milliseconds that drawing a slice should take
const FEW = 20_000; // points that are drawn at once on every machine
const nextFrame = () => new Promise((done) => requestAnimationFrame(done));
const canvas = map.querySelector(".points");
const painter = painterByGpu(canvas) ?? painterByHand(canvas);
const look = { mask: null, lit: null, dress: null }; // mask: 1 for the points that are lit; null when none is dimmed
let painting = 0; // the number of the drawing that is wanted
let slice = FEW; // points drawn at once: more where they turn out to be drawn fast

/** Sets how the points look; see `dressOf`. */
function dress(given) {
  look.dress = given;
  painter.dress(given);
}

/** Dims all points but these; null dims none. */
function lightUp(rows) {
  look.lit = rows;
  look.mask = rows && new Uint8Array(n);
  if (rows) for (let k = 0; k < rows.length; k++) look.mask[rows[k]] = 1;
}

/** The width of a point in pixels, and its opacity: less where points lie over each other, so that the dense parts show. */
function sizeAndOpacity() {
  const share = 0.5 * Math.sqrt((view.width * view.height) / n);
  if (n <= LARGE) return { size: Math.min(Math.max(share, 3), 9), opacity: OPACITY.ordinary };
  const closer = view.widest / 4 / view.unit;
  const size = Math.min(Math.max(share * closer, 1.6), 7);
  const layers = (n * size * size) / (view.width * view.height * closer * closer); // points over a pixel, on average
  return { size, opacity: Math.min(Math.max((0.35 * OPACITY.ordinary) / layers, OPACITY.least), OPACITY.ordinary) };
}

/** What is drawn, the lowest first: `rows(k)` of `slices`, and how. */
function layers() {
  const { size, opacity } = sizeAndOpacity();
  const { mask, lit } = look;
  const { dim, ordinary } = OPACITY;
  const seen = countSeen();
  const inSlices = (share, options, style) => {
    const slices = Math.ceil((seen * share) / slice) || 1;
    return { slices, rows: (k) => gather(k, slices, options), ...style };
  };
  if (!mask) return [inSlices(1, {}, { size, opacity, most: ordinary })];
  const style = { size: size + 2, opacity: OPACITY.lit, most: OPACITY.lit };
  return [
    inSlices(1 - lit.length / n, { mask, wanted: 0 }, { size, opacity: (opacity / ordinary) * dim, most: dim }),
    lit.length <= FEW ? { slices: 1, rows: () => lit, ...style } : inSlices(lit.length / n, { mask }, style),
  ];
}

/** Draws what is seen at once: all points, or a sample where they are many, as dark as all of them. */
function paint() {
  const job = ++painting;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  painter.begin(true);
  const all = layers();
  for (const { rows, slices, size, opacity, most } of all) {
    painter.draw(rows(0), { size, opacity: Math.min(opacity * slices, most) });
  }
  if (all.some(({ slices }) => slices > 1)) setTimeout(() => job === painting && refine(job), STILL);
}

/** Draws all points unseen, a slice at a time, and shows them; leaves off when the map moves. */
async function refine(job) {
  const all = layers().flatMap((layer) => Array.from({ length: layer.slices }, (_, k) => ({ ...layer, k })));
  for (const [at, { rows, k, ...style }] of all.entries()) {
    if (at === 0) painter.begin(false);
    const [some, begun] = [rows(k), performance.now()];
    painter.draw(some, style);
    await painter.drawn();
    if (job !== painting) return;
    if (some.length > FEW / 2) adapt((performance.now() - begun) / some.length);
  }
  painter.show();
  performance.mark("explorer-refined");
}

/** Takes larger slices where drawing a point takes few milliseconds, and smaller ones where it takes many. */
function adapt(milliseconds) {
  slice = Math.round(Math.min(Math.max(0.7 * slice + (0.3 * FRAME) / milliseconds, FEW), 20 * FEW));
}

canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
canvas.addEventListener("webglcontextrestored", () => {
  painter.restart();
  painter.dress(look.dress);
  paint();
});
