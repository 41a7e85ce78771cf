// The theme, tables that sort, commands that copy.

const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
}

function labelTheme(button) {
  button.textContent = isDark() ? "Light" : "Dark";
}

for (const button of document.querySelectorAll("button.theme")) {
  labelTheme(button);
  prefersDark.addEventListener("change", () => labelTheme(button));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("clipspace-theme", root.dataset.theme); } catch {}
    labelTheme(button);
  });
}

const text = new Intl.Collator(undefined, { numeric: true });

function byColumn(column, numeric, turn) {
  const key = (row) => (numeric ? Number.parseFloat(row.cells[column].dataset.order) : row.cells[column].textContent);
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (!numeric) return turn * text.compare(x, y);
    return Number.isNaN(x) - Number.isNaN(y) || turn * (x - y);  // what is not known stays below
  };
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const numeric = head.classList.contains("number");
    // Numbers are first wanted from the top, names from A.
    const turn = { ascending: -1, descending: 1 }[head.ariaSort] ?? (numeric ? -1 : 1);
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.ariaSort = turn > 0 ? "ascending" : "descending";
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(byColumn(head.cellIndex, numeric, turn)));
  });
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    } catch {  // no clipboard for this page: leave the command selected
      getSelection().selectAllChildren(code);
    }
  });
}
