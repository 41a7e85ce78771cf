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

/** The mark of an ink: its colour and shape. */
function dot({ colour, shape }, rim) {
  const mark = make("span", { class: `dot ${data.shapes[shape]}` });
  if (rim) mark.style.outline = `1px solid ${NOTHING}`;
  mark.style.background = colour;
  return mark;
}

function facts(i, dress) {
  const list = make("dl");
  for (const column of columns) {
    if (!column) continue;
    const value = make("dd", {}, valueOf(column, i));
    if (column === dress.column) value.prepend(dot(inkOf(dress, i), dress.rim));
    list.append(make("dt", {}, column.name), value);
  }
  return list;
}

function neighbourButton({ row, cosine }) {
  const name = nameOf(row);
  const label = `${name}, cosine ${cosine.toFixed(3)}`;
  const button = make("button", { type: "button", "data-row": row, "aria-label": label, title: name });
  if (data.tiles) button.append(thumbnail(row, 46));
  else button.append(make("span", { class: "name" }, name));
  button.append(make("span", { class: "cosine" }, cosine.toFixed(2)));
  return button;
}

/** Shows point i in the panel; null empties it. */
function showPoint(i, dress) {
  if (i === null) {
    const hint = matchMedia("(hover: none)").matches ? "Tap a point of the map." : "Point at the map.";
    panel.replaceChildren(make("p", { class: "hint" }, hint));
    return;
  }
  const words = make("div", { class: "words" }, make("h3", {}, nameOf(i)));
  const caption = captionOf(i);
  if (caption && caption !== nameOf(i)) words.append(make("p", { class: "caption" }, caption));
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
  panel.append(facts(i, dress));
}
