// A sentence around the word one searched for. Sphinx looks for the word's stem, which need not
// stand in the text ("entropi" for "entropy"), and then shows how the page begins, with its TeX.
// The answers of knowledge checks are left out too: one finds them by trying.
const NOISE = ".headerlink, .onlyprint, .quiz, fieldset, script, style, svg, summary";

Search.makeSearchSummary = (page, stems, anchor) => {
  const main = new DOMParser().parseFromString(page, "text/html").querySelector("[role=main]");
  const part = (anchor && main.querySelector(anchor)) || main;
  part
    .querySelectorAll(NOISE)
    .forEach((element) => element.remove());
  part.querySelectorAll(".math").forEach((formula) => formula.replaceWith("…"));
  const text = part.textContent.replace(/\s+/g, " ").trim();
  const lower = text.toLowerCase();

  // Where the stem itself is missing, its beginning is there: at worst three letters of it.
  function find(stem) {
    for (let length = stem.length; length >= Math.min(3, stem.length); length -= 1) {
      const at = lower.search(new RegExp("(?<![\\p{L}\\p{N}])" + stem.slice(0, length), "u"));
      if (at >= 0) return at;
    }
    return -1;
  }

  const places = Array.from(stems, find).filter((place) => place >= 0);
  const middle = places.length ? Math.min(...places) : 0;
  let start = Math.max(0, middle - 100);
  if (start > 0) start = text.indexOf(" ", start) + 1;
  let end = Math.min(text.length, middle + 180);
  if (end < text.length) end = text.lastIndexOf(" ", end);

  const summary = document.createElement("p");
  summary.className = "context";
  summary.textContent = (start > 0 ? "… " : "") + text.slice(start, end) + (end < text.length ? " …" : "");
  return summary;
};
