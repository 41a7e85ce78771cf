// The painter by WebGL 2. It is handed the points to draw each time, where they are and in which ink: nothing is kept there.

const VERTEX = `#version 300 es
in vec3 point; // pixels from the middle of the map, right and up; number of the ink
uniform vec2 pixels; uniform float size, ratio, opacity;
uniform vec4 inks[${data.scale.length + 1}]; // red, green, blue, shape
out vec4 ink; flat out int kind; flat out float across;
void main() {
  gl_Position = vec4(point.xy * 2.0 / pixels, 0.0, 1.0);
  across = size * ratio;
  gl_PointSize = across + 2.0;
  vec4 own = inks[int(point.z)];
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

const swatch = document.createElement("canvas").getContext("2d");

/** Red, green and blue, 0 to 1, of any colour of CSS. */
function rgb(colour) {
  swatch.fillStyle = colour;
  return [1, 3, 5].map((k) => parseInt(swatch.fillStyle.slice(k, k + 2), 16) / 255);
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
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  const point = gl.getAttribLocation(made, "point");
  gl.enableVertexAttribArray(point);
  gl.vertexAttribPointer(point, 3, gl.FLOAT, false, 0, 0);
  return made;
}

/** A frame as large as the canvas, to draw on unseen. */
function hiddenFrame(gl, { width, height }) {
  const [buffer, colour] = [gl.createFramebuffer(), gl.createRenderbuffer()];
  gl.bindRenderbuffer(gl.RENDERBUFFER, colour);
  gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, width, height);
  gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, colour);
  return { buffer, colour, width, height };
}

/** What draws by WebGL; null where a browser has none. */
function painterByGpu(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  let [made, frame, dressed] = [program(gl), null, null];
  let room = new Float32Array(0);

  function set(name, ...values) {
    gl[`uniform${values.length}f`](gl.getUniformLocation(made, name), ...values);
  }

  function hidden() {
    if (frame?.width !== canvas.width || frame.height !== canvas.height) {
      if (frame) gl.deleteFramebuffer(frame.buffer);
      if (frame) gl.deleteRenderbuffer(frame.colour);
      frame = hiddenFrame(gl, canvas);
    }
    return frame.buffer;
  }

  return {
    restart() {
      [made, frame] = [program(gl), null];
    },
    dress(given) {
      dressed = given;
    },
    begin(seen) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, seen ? null : hidden());
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const { inks, rim } = dressed;
      const ratio = devicePixelRatio || 1;
      gl.uniform4fv(gl.getUniformLocation(made, "inks"), inks.flatMap(({ colour, shape }) => [...rgb(colour), shape]));
      set("rimColour", ...rgb(NOTHING));
      set("rim", rim * ratio);
      set("pixels", view.width, view.height);
      set("ratio", ratio);
    },
    draw(rows, { size, opacity }) {
      if (room.length < 3 * rows.length) room = new Float32Array(3 * rows.length);
      for (let k = 0, at = 0; k < rows.length; k++) {
        const i = rows[k];
        room[at++] = (xs[i] - view.x) / view.unit;
        room[at++] = (ys[i] - view.y) / view.unit;
        room[at++] = dressed.tints[i];
      }
      set("size", size);
      set("opacity", opacity);
      gl.bufferData(gl.ARRAY_BUFFER, room.subarray(0, 3 * rows.length), gl.STREAM_DRAW);
      gl.drawArrays(gl.POINTS, 0, rows.length);
    },
    /** Resolves once all that was asked for is drawn. */
    async drawn() {
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      do await nextFrame();
      while (gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED && !gl.isContextLost());
      gl.deleteSync(fence);
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
