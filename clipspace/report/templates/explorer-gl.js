// The painter by WebGL 2.

const VERTEX = `#version 300 es
in vec2 place; in float tint; in float lit;
uniform vec2 centre, pixels; uniform float unit, size, ratio, pass, opacity;
uniform vec4 inks[${data.scale.length + 1}]; // red, green, blue, shape
out vec4 ink; flat out int kind; flat out float across;
void main() {
  bool shown = pass < 0.0 || lit == pass;
  vec2 at = (place - centre) / unit * 2.0 / pixels;
  gl_Position = shown ? vec4(at, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  across = size * ratio;
  gl_PointSize = across + 2.0;
  vec4 own = inks[int(tint)];
  kind = int(own.a);
  ink = vec4(own.rgb, 1.0) * opacity;
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

const origin = [0.5 * (bounds.x[0] + bounds.x[1]), 0.5 * (bounds.y[0] + bounds.y[1])]; // float32 on the GPU is finest near 0

const pen = document.createElement("canvas").getContext("2d");

/** Red, green and blue, 0 to 1, of any colour of CSS. */
function rgb(colour) {
  pen.fillStyle = colour;
  return [1, 3, 5].map((k) => parseInt(pen.fillStyle.slice(k, k + 2), 16) / 255);
}

function program(gl) {
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
  return made;
}

/** What draws by WebGL; null where a browser has none. */
function painterByGpu(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  let [made, frame, buffers] = [null, null, {}];

  /** Gives the GPU one attribute of all points. */
  function send(name, values, size, type) {
    const at = gl.getAttribLocation(made, name);
    buffers[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, false, 0, 0);
  }

  function set(name, ...values) {
    gl[`uniform${values.length}f`](gl.getUniformLocation(made, name), ...values);
  }

  function start() {
    made = program(gl);
    buffers = { rows: gl.createBuffer() };
    frame = null;
    const places = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) {
      places[2 * i] = xs[i] - origin[0];
      places[2 * i + 1] = ys[i] - origin[1];
    }
    send("place", places, 2, gl.FLOAT);
    set("rimColour", ...rgb(NOTHING));
  }

  /** An image as large as the canvas, to draw on unseen. */
  function hidden() {
    const { width, height } = canvas;
    if (frame?.width === width && frame.height === height) return frame.buffer;
    if (frame) gl.deleteFramebuffer(frame.buffer), gl.deleteRenderbuffer(frame.colour);
    frame = { width, height, buffer: gl.createFramebuffer(), colour: gl.createRenderbuffer() };
    gl.bindRenderbuffer(gl.RENDERBUFFER, frame.colour);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame.buffer);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, frame.colour);
    return frame.buffer;
  }

  start();
  return {
    slice: SLICE,
    restart: start,
    dress({ inks, tints, rim }) {
      gl.uniform4fv(gl.getUniformLocation(made, "inks"), inks.flatMap(({ colour, shape }) => [...rgb(colour), shape]));
      set("rim", rim * (devicePixelRatio || 1));
      send("tint", tints, 1, gl.UNSIGNED_BYTE);
    },
    light(mask) {
      send("lit", mask ?? new Uint8Array(n), 1, gl.UNSIGNED_BYTE);
    },
    begin(seen) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, seen ? null : hidden());
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      set("centre", view.x - origin[0], view.y - origin[1]);
      set("pixels", view.width, view.height);
      set("unit", view.unit);
      set("ratio", devicePixelRatio || 1);
    },
    draw(rows, { pass, size, opacity }) {
      set("pass", pass);
      set("size", size);
      set("opacity", opacity);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.rows);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rows, gl.STREAM_DRAW);
      gl.drawElements(gl.POINTS, rows.length, gl.UNSIGNED_INT, 0);
      gl.flush();
    },
    /** Shows what was drawn unseen. */
    show() {
      const { width, height } = canvas;
      gl.bindFramebuffer(gl.READ_FRAMEBUFFER, frame.buffer);
      gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
      gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    },
  };
}
