// Click a heading to sort by it; click again for the other direction. Empty values stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => row.cells[column].dataset.v;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const p = Number(x), q = Number(y);
      const order = Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q;
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
}

// Above a table of some length: a choice for each column of few values, and words that a row must contain.
const FEW_ROWS = 5, MOST_CHOICES = 24;
for (const tools of document.querySelectorAll(".tools")) {
  const table = document.getElementById(tools.dataset.for);
  const rows = table ? [...table.tBodies[0].rows] : [];
  if (rows.length < FEW_ROWS) continue;
  const heads = [...table.tHead.rows[0].cells];
  const made = (name, properties) => Object.assign(document.createElement(name), properties);
  const choices = [];
  heads.forEach((head, column) => {
    if (!("facet" in head.dataset)) return;
    const seen = new Map(rows.map((row) => [row.cells[column].textContent, row.cells[column].dataset.v]));
    if (seen.size < 2 || seen.size > MOST_CHOICES) return;
    const number = (text) => Number(seen.get(text));
    const texts = [...seen.keys()].sort((a, b) => number(a) - number(b) || a.localeCompare(b));
    const select = made("select", {});
    select.append(made("option", { value: "", textContent: "all" }));
    for (const text of texts) select.append(made("option", { value: text, textContent: text }));
    const label = made("label", { textContent: head.textContent + " " });
    label.append(select);
    choices.push([column, select, label]);
  });
  const words = made("input", { type: "search", placeholder: "filter rows" });
  words.setAttribute("aria-label", "filter rows by words");
  const count = made("output", {});
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = choices.every(([column, select]) => !select.value || row.cells[column].textContent === select.value)
        && wanted.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  };
  for (const element of [words, ...choices.map((choice) => choice[1])]) element.addEventListener("input", apply);
  tools.prepend(...choices.map((choice) => choice[2]), words, count);
  apply();
}
