// Names for two parts of the theme that a screen reader would otherwise meet without any.
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
});
