/* Sorting and filtering of the tables. */

for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => sortBy(button));
}

function sortBy(button) {
  const header = button.closest("th");
  const table = header.closest("table");
  const column = [...header.parentElement.children].indexOf(header);
  const up = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentElement.children) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const numeric = button.dataset.sort === "number";
  const rows = [...body.rows].map((row) => [row.children[column].dataset.key ?? "", row]);
  rows.sort(([a], [b]) => {
    // What has no value comes last either way.
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en");
    return up ? order : -order;
  });
  body.append(...rows.map(([, row]) => row));
}

for (const input of document.querySelectorAll("input.table-filter")) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of document.getElementById(input.dataset.table).querySelectorAll("tr[data-search]")) {
      const text = row.dataset.search.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
