// Keys, fingers, the mouse and the wheel.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const ZOOMS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };

let typing = 0; // the timer of a search that waits for the next letter

/** The point nearest to the middle of the map, where stepping starts. */
function middle() {
  let [best, least] = [null, Infinity];
  for (const i of litRows()) {
    const far = (xs[i] - view.x) ** 2 + (ys[i] - view.y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

function mapKey(event) {
  const { key } = event;
  if (key in ARROWS) keep(state.kept === null ? middle() : towards(state.kept, ...ARROWS[key], litRows()));
  else if (key in ZOOMS) zoomBy(ZOOMS[key]);
  else if (key === "0") showAll();
  else if (key === "l") setLasso(!lasso.on);
  else if (key === "Escape") lasso.on ? setLasso(false) : dropSelection();
  else if (key === "Enter") panel.querySelector(".neighbours button")?.focus();
  else return;
  event.preventDefault();
}

async function searchKey(event) {
  const by = { Enter: event.shiftKey ? -1 : 1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by && event.key !== "Escape") return;
  event.preventDefault();
  clearTimeout(typing);
  if (event.key === "Escape") event.target.value = "";
  const waits = typing || !by;
  typing = 0;
  if (waits) await find();
  if (by) step(by);
}

function typed() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    typing = 0;
    find();
  }, 120);
}

function neighbourKey(event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const buttons = [...panel.querySelectorAll(".neighbours button")];
  const at = buttons.indexOf(event.target);
  if (event.key === "Escape") map.focus();
  if (!by || at < 0) return;
  event.preventDefault();
  buttons[(at + by + buttons.length) % buttons.length].focus();
}

function goToNeighbour(event) {
  const button = event.target.closest(".neighbours button");
  if (!button) return;
  const at = [...button.parentElement.children].indexOf(button);
  keep(Number(button.dataset.row));
  panel.querySelectorAll(".neighbours button")[at]?.focus(); // the panel is new: stay in the same place of the list
}

/** Where an event is, in pixels of the map. */
function at(event) {
  const { left, top } = map.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

/** Shows the point under the pointer; where there is none, the one that was kept, else the one seen last. */
function hover(i) {
  const under = i ?? (state.kept === null ? state.under : null);
  if (under === state.under) return;
  state.under = under;
  show();
}

/** One finger or the mouse moves the map, or draws the lasso; two fingers zoom it; so does the wheel. */
function listenToPointers() {
  const down = new Map(); // pointer -> where it is
  const centre = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis] / points.length, 0));
  const distance = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const width = (points) => (points.length > 1 ? distance(points) : 1);
  let dragged = false; // since the first finger or button went down: a drag is no click
  map.addEventListener("pointerdown", (event) => {
    if (!down.size) dragged = false;
    if (down.size) dropLasso(); // a second finger zooms
    else if (lasso.on || event.shiftKey) extendLasso(at(event));
    down.set(event.pointerId, at(event));
  });
  map.addEventListener("click", (event) => dragged || keep(pointAt(...at(event))));
  for (const name of ["pointerup", "pointercancel"]) {
    map.addEventListener(name, (event) => {
      down.delete(event.pointerId);
      if (lasso.line) closeLasso();
    });
  }
  map.addEventListener("pointermove", (event) => {
    const [from, to] = [down.get(event.pointerId), at(event)];
    if (!from || (!map.hasPointerCapture(event.pointerId) && distance([from, to]) < 4)) return;
    map.setPointerCapture(event.pointerId);
    dragged = true;
    if (lasso.line) return extendLasso(to);
    const before = [...down.values()];
    down.set(event.pointerId, to);
    const after = [...down.values()];
    const [x, y] = centre(after);
    pan(x - centre(before)[0], y - centre(before)[1]);
    zoomBy(width(after) / width(before), x, y);
  });
  const wheel = (event) => {
    event.preventDefault();
    zoomBy(2 ** (-event.deltaY / (event.deltaMode ? 12 : 360)), ...at(event));
  };
  map.addEventListener("wheel", wheel, { passive: false });
}

function listenToMap() {
  map.addEventListener("keydown", mapKey);
  map.addEventListener("dblclick", showAll);
  map.addEventListener("pointermove", (event) => hover(event.buttons ? null : pointAt(...at(event))));
  map.addEventListener("pointerleave", () => hover(null));
  listenToPointers();
  new ResizeObserver(() => {
    measure();
    draw(true);
  }).observe(map);
}

function listen() {
  for (const input of [box, wordBox].filter(Boolean)) {
    input.addEventListener("input", typed);
    input.addEventListener("keydown", searchKey);
  }
  for (const button of root.querySelectorAll(".step")) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  picker?.addEventListener("change", colour);
  pictures?.addEventListener("change", () => draw());
  legend.addEventListener("click", chooseLabel);
  const zooms = { in: () => zoomBy(1.5), out: () => zoomBy(1 / 1.5), fit: showAll };
  for (const button of root.querySelectorAll(".zoom button")) {
    button.addEventListener("click", zooms[button.dataset.zoom]);
  }
  listenToLasso();
  panel.addEventListener("click", goToNeighbour);
  panel.addEventListener("keydown", neighbourKey);
  listenToMap();
}
