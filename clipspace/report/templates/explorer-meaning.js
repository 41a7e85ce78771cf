// Words of a vocabulary: the points nearest to one, and those that stand on the regions of the map.

const wordBox = document.getElementById("explorer-word");
const signs = map.querySelector(".signs");
const LEVELS = [1.8, 4]; // times closer than the whole map at which smaller regions have the words
let nearWords = null; // the points nearest to each word, unpacked when first asked for

/** The points nearest to a word by meaning, nearest first; null for no word, none for one that is not in the vocabulary. */
async function rowsOfWord(word) {
  if (!word) return null;
  const { words, k, rows } = data.meaning;
  nearWords ??= unpack(rows);
  const number = words.findIndex((known) => known.toLowerCase() === word.toLowerCase());
  return number < 0 ? new Uint32Array(0) : Uint32Array.from((await nearWords).subarray(number * k, (number + 1) * k));
}

/** Writes the words of the regions that are seen, those of the level that suits the zoom, none over another. */
function drawSigns() {
  if (!data.meaning) return;
  const closer = view.widest / 4 / view.unit;
  const level = LEVELS.filter((from) => closer >= from).length;
  const taken = [];
  const shown = [];
  for (const [at, x, y, word] of data.meaning.regions) {
    const [px, py] = placeOf(x, y);
    const text = data.meaning.words[word];
    const half = 4.5 * text.length + 6;
    const free = taken.every(([ox, oy, other]) => Math.abs(px - ox) > half + other || Math.abs(py - oy) > 20);
    if (at !== level || !inside([px, py]) || !free) continue;
    taken.push([px, py, half]);
    const sign = make("span", {}, text);
    sign.style.transform = `translate(${px}px, ${py}px) translate(-50%, -50%)`;
    shown.push(sign);
  }
  signs.replaceChildren(...shown);
}
