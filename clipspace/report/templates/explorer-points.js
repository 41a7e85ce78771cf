// The points: WebGL paints them, a 2D canvas does where there is no WebGL, and a grid finds the one under the pointer.

const REACH = 20; // pixels from the pointer within which a point is found
const SOLID = { ordinary: 0.85, lit: 1, dim: 0.1 }; // opacities
const canvas = map.querySelector(".points");
const look = { colours: [], shapes: "", rim: 0, lit: null, size: 3 }; // lit: null when no point is dimmed

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; in float shape; in float lit;
uniform vec2 centre, pixels; uniform float unit, size, ratio, pass;
out vec4 ink; flat out int kind; flat out float across;
void main() {
  bool shown = pass < 0.0 || lit == pass;
  vec2 at = (place - centre) / unit * 2.0 / pixels;
  gl_Position = shown ? vec4(at, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  across = (size + (pass == 1.0 ? 2.0 : 0.0)) * ratio;
  gl_PointSize = across + 2.0;
  kind = int(shape);
  ink = colour * (pass < 0.0 ? ${SOLID.ordinary} : pass == 1.0 ? ${SOLID.lit.toFixed(1)} : ${SOLID.dim});
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink; flat in int kind; flat in float across; out vec4 painted;
uniform vec3 rimColour; uniform float rim;
void main() {
  vec2 p = (gl_PointCoord - 0.5) * (across + 2.0); // pixels from the middle
  float r = across / 2.0;
  float outside = kind == 0 ? length(p) - r
    : kind == 1 ? (abs(p.x) + abs(p.y) - 1.3 * r) * 0.7
    : max(p.y - 0.75 * r, abs(p.x) * 0.87 - p.y * 0.5 - 0.62 * r);
  float edge = rim > 0.0 ? clamp(outside + rim + 0.5, 0.0, 1.0) : 0.0;
  painted = mix(ink, vec4(rimColour, 1.0) * ink.a, edge) * clamp(0.5 - outside, 0.0, 1.0);
}`;

const middleOf = (numbers) => extent(numbers).reduce((low, high) => (low + high) / 2);
const origin = [middleOf(xs), middleOf(ys)]; // float32 on the GPU is finest near 0
const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
let program = gl && build();

function build() {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  gl.useProgram(made);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const places = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) places.set([xs[i] - origin[0], ys[i] - origin[1]], 2 * i);
  send(made, "place", places, 2, gl.FLOAT);
  return made;
}

/** Gives the GPU one attribute of all points. */
function send(program, name, values, size, type) {
  const at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, type, type === gl.UNSIGNED_BYTE && size === 4, 0, 0);
}

/** Red, green, blue and opacity, 0 to 255, of each point's colour, which is any colour of CSS. */
function colourBytes(colours) {
  const known = new Map();
  const pen = document.createElement("canvas").getContext("2d");
  const read = (colour) => {
    pen.fillStyle = colour;
    const value = parseInt(pen.fillStyle.slice(1), 16);
    known.set(colour, [value >> 16, (value >> 8) & 255, value & 255, 255]);
    return known.get(colour);
  };
  const packed = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) packed.set(known.get(colours[i]) ?? read(colours[i]), 4 * i);
  return packed;
}

/** Sets how the points look: a colour for each; a shape for each, or one for all; the width of their rim in pixels. */
function dress(colours, shapes, rim) {
  Object.assign(look, { colours, shapes, rim });
  if (!program) return;
  const code = (shape) => data.shapes.indexOf(shape);
  const kinds = typeof shapes === "string" ? new Uint8Array(n).fill(code(shapes)) : Uint8Array.from(shapes, code);
  send(program, "colour", colourBytes(colours), 4, gl.UNSIGNED_BYTE);
  send(program, "shape", kinds, 1, gl.UNSIGNED_BYTE);
}

/** Dims all points but these; null dims none. */
function lightUp(rows) {
  look.lit = rows && new Uint8Array(n);
  for (const i of rows ?? []) look.lit[i] = 1;
  if (program) send(program, "lit", look.lit ?? new Uint8Array(n), 1, gl.UNSIGNED_BYTE);
}

function paint() {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  look.size = Math.min(Math.max(0.5 * Math.sqrt((view.width * view.height) / n), 3), 9);
  if (program) paintByGpu(ratio);
  else paintByHand(canvas.getContext("2d"), ratio);
}

function paintByGpu(ratio) {
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clear(gl.COLOR_BUFFER_BIT);
  const set = (name, ...values) => gl[`uniform${values.length}f`](gl.getUniformLocation(program, name), ...values);
  set("centre", view.x - origin[0], view.y - origin[1]);
  set("pixels", view.width, view.height);
  set("unit", view.unit);
  set("size", look.size);
  set("ratio", ratio);
  set("rim", look.rim * ratio);
  set("rimColour", ...[1, 3, 5].map((k) => parseInt(NOTHING.slice(k, k + 2), 16) / 255));
  for (const pass of look.lit ? [0, 1] : [-1]) {
    set("pass", pass);
    gl.drawArrays(gl.POINTS, 0, n);
  }
}

function paintByHand(pen, ratio) {
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  Object.assign(pen, { strokeStyle: NOTHING, lineWidth: look.rim });
  for (const pass of look.lit ? [0, 1] : [-1]) {
    pen.globalAlpha = pass < 0 ? SOLID.ordinary : pass ? SOLID.lit : SOLID.dim;
    const r = (look.size + (pass === 1 ? 2 : 0)) / 2;
    for (let i = 0; i < n; i++) {
      const [x, y] = place(i);
      if ((pass >= 0 && look.lit[i] !== pass) || !inside([x, y], -r)) continue;
      pen.fillStyle = look.colours[i];
      outline(pen, typeof look.shapes === "string" ? look.shapes : look.shapes[i], x, y, r);
      pen.fill();
      if (look.rim) pen.stroke();
    }
  }
}

function outline(pen, shape, x, y, r) {
  pen.beginPath();
  if (shape === data.shapes[0]) pen.arc(x, y, r, 0, 2 * Math.PI);
  else {
    const diamond = [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]];
    const triangle = [[0, -1.25], [1.15, 0.75], [-1.15, 0.75]];
    for (const [dx, dy] of shape === data.shapes[1] ? diamond : triangle) pen.lineTo(x + r * dx, y + r * dy);
  }
}

/** The points of each cell of a grid over the map: those of cell c are order[starts[c]] to order[starts[c + 1] - 1]. */
function sortIntoCells() {
  const [[left, right], [bottom, top]] = [extent(xs), extent(ys)];
  const side = Math.max(Math.ceil(Math.sqrt(n / 4)), 1);
  const scale = [side / (right - left || 1), side / (top - bottom || 1)];
  const step = (value, low, factor) => Math.min(Math.max(Math.floor((value - low) * factor), 0), side - 1);
  const column = (x) => step(x, left, scale[0]);
  const row = (y) => step(y, bottom, scale[1]);
  const starts = new Uint32Array(side * side + 1);
  for (let i = 0; i < n; i++) starts[row(ys[i]) * side + column(xs[i]) + 1]++;
  for (let c = 0; c < side * side; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[next[row(ys[i]) * side + column(xs[i])]++] = i;
  return { side, column, row, starts, order };
}

const cells = sortIntoCells();

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
      if (far <= least) [best, least] = [i, far];
    }
  }
  return best;
}

canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
canvas.addEventListener("webglcontextrestored", () => {
  program = build();
  dress(look.colours, look.shapes, look.rim);
  lightUp(look.lit && everything.filter((i) => look.lit[i]));
  paint();
});
