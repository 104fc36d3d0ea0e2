// A filter above a long table. Without this script the table is simply complete.
document.addEventListener("DOMContentLoaded", () => {
  const named = { "concept-table": ["Find a concept", "concepts"], "errata-table": ["Find an erratum", "errata"] };
  Object.entries(named).forEach(([kind, [question, things]]) => {
    document.querySelectorAll("table." + kind).forEach((table) => addFilter(table, question, things));
  });
});

function addFilter(table, question, things) {
  const rows = Array.from(table.tBodies[0].rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const label = document.createElement("label");
  label.className = "concept-filter";
  label.innerHTML = "<span>" + question + "</span><input type=\"search\" autocomplete=\"off\">";
  const count = document.createElement("p");
  count.className = "concept-count";
  count.setAttribute("role", "status");
  const place = table.parentElement.matches(".pst-scrollable-table-container")
    ? table.parentElement : table;
  place.before(label, count);

  function filter() {
    const words = label.lastChild.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = rows.filter((row, i) => {
      row.hidden = !words.every((word) => texts[i].includes(word));
      return !row.hidden;
    });
    count.textContent = shown.length + " of " + rows.length + " " + things;
  }
  label.lastChild.addEventListener("input", filter);
  filter();
  // A link to a row, such as errata.html#errata-e32, was followed before the filter moved it.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}
