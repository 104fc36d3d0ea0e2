// For those who take a page with them: downloads are saved rather than shown, and folds open for
// the printer and close again afterwards; style alone cannot do that in every browser.
(function () {
  "use strict";
  document
    .querySelectorAll(".btn-download-notebook-button, .btn-download-source-button")
    .forEach((link) => { link.setAttribute("download", ""); });

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("article details:not([open])"));
    opened.forEach((fold) => { fold.open = true; });
    document.querySelectorAll("article img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  });
  addEventListener("afterprint", () => {
    opened.forEach((fold) => { fold.open = false; });
    opened = [];
  });
})();
