// Thumbnails: tiles of a few large images.

const sheets = document.querySelectorAll("script.explorer-sheet");
const urls = [];

/** The address of a sheet: of a file beside the page, or of what the page holds. */
function sheetUrl(k) {
  if (!urls[k]) {
    const [head, base64] = sheets[k].textContent.split(";base64,");
    if (!base64) return (urls[k] = head);
    urls[k] = URL.createObjectURL(new Blob([bytes(base64)], { type: head.slice("data:".length) }));
  }
  return urls[k];
}

/** Shows the thumbnail of point i in an element, `size` pixels wide. */
function showTile(element, i, size) {
  const { across, perSheet } = data.tiles;
  const tile = size * 1.03; // a hair too large, for the tiles beside it shine through at the edge
  const [column, row] = [i % across, Math.floor((i % perSheet) / across)];
  const shift = (k) => `${-k * tile - (tile - size) / 2}px`;
  const sheet = sheetUrl(Math.floor(i / perSheet));
  element.style.background = `url("${sheet}") ${shift(column)} ${shift(row)} / ${across * tile}px auto`;
}
