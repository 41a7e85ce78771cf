// The panel beside the map: what is known of one point, and its nearest neighbours to go to.

const panel = document.querySelector("#explorer .panel");

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // text is appended as text: names and captions are anybody's
  return made;
}

function thumbnail(i, size) {
  const tile = make("div", { class: "thumbnail" });
  tile.style.width = tile.style.height = `${size}px`;
  showTile(tile, i, size);
  return tile;
}

/** The mark of a point: its colour and, where it has a label, the label's shape. */
function dot(colour, code, column) {
  const mark = make("span", { class: `dot ${code === undefined ? "" : (shapeOf(code, column) ?? "")}` });
  if (rimOf(column)) mark.style.outline = `1px solid ${NOTHING}`;
  mark.style.background = colour;
  return mark;
}

function facts(i, colours, active) {
  const list = make("dl");
  for (const column of columns) {
    const value = make("dd", {}, valueOf(column, i));
    if (column === active) value.prepend(dot(colours[i], column.codes?.[i], column));
    list.append(make("dt", {}, column.name), value);
  }
  return list;
}

function neighbourButton({ row, cosine }) {
  const label = `${data.names[row]}, cosine ${cosine.toFixed(3)}`;
  const button = make("button", { type: "button", "data-row": row, "aria-label": label, title: data.names[row] });
  if (data.tiles) button.append(thumbnail(row, 46));
  else button.append(make("span", { class: "name" }, data.names[row]));
  button.append(make("span", { class: "cosine" }, cosine.toFixed(2)));
  return button;
}

/** Shows point i in the panel; null empties it. */
function showPoint(i, colours, active) {
  if (i === null) {
    const hint = matchMedia("(hover: none)").matches ? "Tap a point of the map." : "Point at the map.";
    panel.replaceChildren(make("p", { class: "hint" }, hint));
    return;
  }
  const words = make("div", { class: "words" }, make("h3", {}, data.names[i]));
  const caption = data.captions?.[i];
  if (caption && caption !== data.names[i]) words.append(make("p", { class: "caption" }, caption));
  const top = make("div", { class: "point" });
  if (data.tiles) top.append(thumbnail(i, 120));
  top.append(words);
  panel.replaceChildren(top);
  const others = neighboursOf(i);
  if (others.length) {
    const list = make("div", { class: "neighbours", role: "group", "aria-label": "Nearest neighbours" });
    list.append(...others.map(neighbourButton));
    panel.append(make("h4", {}, "Nearest neighbours", make("span", {}, "cosine")), list);
  }
  panel.append(facts(i, colours, active));
}
