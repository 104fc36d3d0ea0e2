// A filter above the table of concepts. Without this script the table is simply complete.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.concept-table").forEach((table) => {
    const rows = Array.from(table.tBodies[0].rows);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const label = document.createElement("label");
    label.className = "concept-filter";
    label.innerHTML = "<span>Find a concept</span><input type=\"search\" autocomplete=\"off\">";
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
      count.textContent = shown.length + " of " + rows.length + " concepts";
    }
    label.lastChild.addEventListener("input", filter);
    filter();
  });
});
