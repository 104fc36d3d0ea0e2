// Names and roles that a screen reader meets: missing ones given, contradicting ones taken away.
document.addEventListener("DOMContentLoaded", () => {
  const sidebar = document.querySelector(".bd-sidebar-primary");
  if (sidebar) {
    sidebar.setAttribute("role", "complementary");
    sidebar.setAttribute("aria-label", "Book");
  }
  document.querySelectorAll(".bd-links summary").forEach((summary) => {
    const page = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", "Pages of " + page.textContent.trim());
  });

  // What these show is their name; the theme gives them a second, different one.
  document
    .querySelectorAll(".search-button-field, details.hide > summary")
    .forEach((element) => element.removeAttribute("aria-label"));

  // The role of a bibliography's entries is no longer in use, and hides that they are list items.
  document
    .querySelectorAll(".citation-list > [role='doc-biblioentry']")
    .forEach((entry) => entry.setAttribute("role", "listitem"));
});

// A formula wider than the page scrolls by itself, and has to be reached to be scrolled with keys.
window.addEventListener("load", () => {
  function reach() {
    document.querySelectorAll("mjx-container[display='true']").forEach((formula) => {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    });
  }
  if (!window.MathJax || !MathJax.startup) return;
  MathJax.startup.promise.then(reach);
  window.addEventListener("resize", reach);
});
