// The painter on a 2D canvas, for a browser without WebGL.

function outline(pen, shape, x, y, r) {
  pen.beginPath();
  if (shape === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
  else {
    const diamond = [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]];
    const triangle = [[0, -1.25], [1.15, 0.75], [-1.15, 0.75]];
    for (const [dx, dy] of shape === 1 ? diamond : triangle) pen.lineTo(x + r * dx, y + r * dy);
  }
}

function painterByHand(canvas) {
  const [seenPen, hiddenPen] = [canvas, document.createElement("canvas")].map((one) => one.getContext("2d"));
  let [pen, dress] = [seenPen, null];
  return {
    dress(given) {
      dress = given;
    },
    begin(seen) {
      pen = seen ? seenPen : hiddenPen;
      if (!seen) Object.assign(hiddenPen.canvas, { width: canvas.width, height: canvas.height });
      const ratio = devicePixelRatio || 1;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, view.width, view.height);
      Object.assign(pen, { strokeStyle: NOTHING, lineWidth: dress.rim });
    },
    draw(rows, { size, opacity }) {
      const r = size / 2;
      pen.globalAlpha = opacity;
      for (const i of rows) {
        const [x, y] = place(i);
        if (!inside([x, y], -r)) continue;
        const { colour, shape } = inkOf(dress, i);
        pen.fillStyle = colour;
        outline(pen, shape, x, y, r);
        pen.fill();
        if (dress.rim) pen.stroke();
      }
    },
    drawn: nextFrame,
    show() {
      seenPen.setTransform(1, 0, 0, 1, 0, 0);
      seenPen.clearRect(0, 0, canvas.width, canvas.height);
      seenPen.globalAlpha = 1;
      seenPen.drawImage(hiddenPen.canvas, 0, 0);
    },
  };
}
