// How a column colours the points: a few inks, and the number of the ink of each point.

/** Labels have an ink each: the colour that they name, or one of the palette, which comes again with another shape. */
function inksOfLabels({ own, size }) {
  const { palette, shapes } = data;
  const count = Math.min(size, palette.length * shapes.length);
  return Array.from({ length: count }, (_, code) => ({
    colour: own ? own[code] : palette[code % palette.length],
    shape: own ? 0 : Math.floor(code / palette.length),
  }));
}

function inksOf(column) {
  if (!column) return [{ colour: data.palette[0], shape: 0 }];
  const inks = column.codes ? inksOfLabels(column) : data.scale.map((colour) => ({ colour, shape: 0 }));
  return [...inks, { colour: NOTHING, shape: 0 }]; // the last: of points without a value, and of labels without a colour
}

/** The number of the ink of each point. */
function tintsOf(column, last) {
  const tints = new Uint8Array(n);
  if (column?.codes) {
    for (let i = 0; i < n; i++) tints[i] = column.codes[i] < 0 ? last : Math.min(column.codes[i], last);
  } else if (column) {
    const [low, high] = extent(column.numbers.filter(Number.isFinite));
    const steps = last / (high - low || 1);
    for (let i = 0; i < n; i++) {
      const number = column.numbers[i];
      tints[i] = Number.isFinite(number) ? Math.min(Math.floor((number - low) * steps), last - 1) : last;
    }
  }
  return tints;
}

/** `inks` {colour, shape}, the ink of each point, and the width of a rim: a colour of its own may be that of the page. */
function dressOf(column) {
  const inks = inksOf(column);
  return { column, inks, tints: tintsOf(column, inks.length - 1), rim: column?.own ? 1 : 0 };
}

function inkOf(dress, i) {
  return dress.inks[dress.tints[i]];
}
