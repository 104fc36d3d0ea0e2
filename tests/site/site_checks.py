"""What is looked at on an open page; each function returns one line for each fault."""

from functools import cache
from importlib import resources
from typing import Any

WIDTHS = (1280, 390)
THEMES = ("light", "dark")


def unset_mathematics(page: Any) -> list[str]:
    """Formulas that MathJax did not set or set with an error, and TeX left in the text."""
    return page.evaluate(
        r"""() => {
          const article = document.querySelector("article") || document.body;
          const faults = [];
          article.querySelectorAll(".math").forEach((math) => {
            if (!math.querySelector("mjx-container mjx-math *"))
              faults.push("not set: " + math.textContent.slice(0, 80));
          });
          article.querySelectorAll("mjx-merror, [data-mjx-error]").forEach((error) =>
            faults.push("error of MathJax: " + (error.title || error.textContent).slice(0, 80)));
          const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
          const raw = /\\\(|\\\[|\\begin\{|\$\$|\$[^\s$][^$\n]*\$/;
          while (walker.nextNode()) {
            const node = walker.currentNode;
            const skipped = "mjx-container, pre, code, script, style, noscript, .math";
            if (node.parentElement.closest(skipped))
              continue;
            if (raw.test(node.data)) faults.push("TeX in the text: " + node.data.slice(0, 80));
          }
          return faults;
        }"""
    )


def overflow(page: Any) -> list[str]:
    """What stands out of the page on the right."""
    return page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= wide) return [];
          return Array.from(document.querySelectorAll("body *"))
            .filter((element) => element.getBoundingClientRect().right > wide + 1)
            .slice(0, 3)
            .map((element) => "stands out on the right: " + element.outerHTML.slice(0, 120));
        }"""
    )


WATCH_SHIFTS = """
  window.courseShifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    const moved = entry.sources.map((source) => source.node)
      .map((node) => (node && node.nodeType === 3 ? node.parentElement : node))
      .filter((element) => element && element.closest("article"));
    if (moved.length && !entry.hadRecentInput)
      courseShifts.push(entry.value + ": " + moved[0].outerHTML.slice(0, 120));
  })).observe({type: "layout-shift", buffered: true});
"""
"""Run before a page's own scripts: notes what of the text jumps while it loads and is read."""


def shifts(page: Any) -> list[str]:
    """What jumped since the page began to load."""
    return page.evaluate("() => window.courseShifts")


def stretched_pictures(page: Any) -> list[str]:
    """Pictures whose box has other proportions than the picture."""
    return page.evaluate(
        """() => Array.from(document.querySelectorAll("article img"))
          .filter((image) => image.clientWidth && image.clientHeight)
          .filter((image) => Math.abs(image.clientWidth * image.getAttribute("height")
            / (image.clientHeight * image.getAttribute("width")) - 1) > 0.03)
          .map((image) => "stretched: " + image.clientWidth + " by " + image.clientHeight
            + ": " + image.outerHTML.slice(0, 120))"""
    )


def clipped_ways_on(page: Any) -> list[str]:
    """Parts of the links to the next pages that stand out of their row."""
    return page.evaluate(
        """() => Array.from(document.querySelectorAll(".prev-next-area *"))
          .filter((part) => {
            const [own, row] = [part, part.closest(".prev-next-area")]
              .map((element) => element.getBoundingClientRect());
            return own.right > row.right + 1 || own.left < row.left - 1;
          })
          .map((part) => innerWidth + " pixels: " + part.textContent.trim().slice(0, 60))"""
    )


def unsized_pictures(page: Any) -> list[str]:
    """Pictures for which the browser cannot reserve their place."""
    return page.evaluate(
        """() => Array.from(document.querySelectorAll("article img"))
          .filter((image) => !(Number(image.getAttribute("width")) > 0
                            && Number(image.getAttribute("height")) > 0))
          .map((image) => "no width and height: " + image.outerHTML.slice(0, 120))"""
    )


def pictures_lost_in_the_dark(page: Any) -> list[str]:
    """Pictures that are altered, or that stand on a dark ground, in the dark theme.

    Figures are drawn on white. Either such a picture brings its own ground or it is given a white
    one; a drawing inside the page takes the colours of its text.
    """
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    return page.evaluate(
        """() => {
          const light = (colour, least) => {
            const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
            return a > 0.95 && 0.2126 * r + 0.7152 * g + 0.0722 * b > least;
          };
          const shown = (element) => element.checkVisibility();
          const faults = [];
          document.querySelectorAll("article img").forEach((image) => {
            if (!shown(image)) return;
            const style = getComputedStyle(image);
            if (style.filter !== "none") faults.push("filtered: " + image.alt.slice(0, 60));
            if (!light(style.backgroundColor, 230))
              faults.push("no light ground: " + image.alt.slice(0, 60));
          });
          document.querySelectorAll("article svg[role=img] text").forEach((text) => {
            if (shown(text) && !light(getComputedStyle(text).fill, 140))
              faults.push("dark words in the dark: " + text.textContent);
          });
          return faults;
        }"""
    )


def stuck_sliders(page: Any) -> list[str]:
    """Sliders that a key does not move, or whose figure stays as it is when they move."""
    faults = []
    look = """(slider) => {
      const figure = slider.closest("figure, .widget-box, .cell_output") || slider.parentElement;
      const shown = Array.from(figure.querySelectorAll("img, canvas, svg, p, span, output"))
        .filter((element) => element.checkVisibility());
      return shown.map((element) => element.currentSrc || element.outerHTML).join("\\n");
    }"""
    for slider in page.locator("input[type=range]:visible").all():
        value, before = slider.input_value(), slider.evaluate(look)
        slider.focus()
        slider.press("ArrowLeft" if value == slider.get_attribute("max") else "ArrowRight")
        label = slider.evaluate("(slider) => slider.closest('label, figure')?.textContent.trim()")
        label = (label or "a slider")[:60]
        if slider.input_value() == value:
            faults.append(f"a key does not move {label!r}")
        elif slider.evaluate(look) == before:
            faults.append(f"nothing changes with {label!r}")
    return faults


def closed_details(page: Any) -> list[str]:
    """Folded parts that cannot be reached or opened, or that open on nothing."""
    return page.evaluate(
        """() => {
          const faults = [];
          document.querySelectorAll("article details").forEach((fold) => {
            if (!fold.checkVisibility()) return;
            const summary = fold.querySelector(":scope > summary");
            summary.focus();
            const reached = document.activeElement === summary;
            if (fold.open) summary.click();
            const closed = !fold.open;
            summary.click();
            const shows = Array.from(fold.children).some((child) =>
              child !== summary && child.getBoundingClientRect().height > 0);
            if (!(reached && closed && fold.open && shows))
              faults.push("does not open: " + summary.textContent.trim().slice(0, 60));
          });
          return faults;
        }"""
    )


@cache
def _axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


THIN = """() => {
  document.querySelectorAll("mjx-container:not([display])").forEach((formula, index) => {
    if (index >= 6) formula.textContent = "x";
  });
  const seen = {};
  document.querySelectorAll("dl.py").forEach((entry) => {
    seen[entry.className] = (seen[entry.className] || 0) + 1;
    if (seen[entry.className] > 12) entry.remove();
  });
  document.querySelectorAll("pre span").forEach((token) => {
    const place = token.closest("div.highlight")?.parentElement.className;
    const kind = [token.className, token.parentElement.className, place].join("|");
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] > 3) token.replaceWith(...token.childNodes);
  });
  document.querySelectorAll("img[src^='data:']").forEach((image) => image.removeAttribute("src"));
}"""
"""Leaves to stand for all: six formulas within lines, three of each kind of coloured word, and of
the package's pages, which one template makes, twelve entries of each kind."""

LOOKS = """() => {
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const {backgroundColor, backgroundImage} = getComputedStyle(element);
      if (backgroundImage !== "none" || !/transparent|, 0\\)$/.test(backgroundColor))
        return backgroundColor + backgroundImage;
    }
  };
  const seen = {};
  return Array.from(document.querySelectorAll("body *")).filter((element) => {
    const words = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !element.checkVisibility()) return false;
    const {color, fontSize, fontWeight, opacity} = getComputedStyle(element);
    const look = [color, fontSize, fontWeight, opacity, ground(element)].join("|");
    seen[look] = (seen[look] || 0) + 1;
    return seen[look] <= 2;
  });
}"""
"""Two pieces of text of each look: colour, size, weight and ground decide about contrast."""

AXE = f"""async ([colours, rest]) => {{
  const run = (context, rules) =>
    axe.run(context, {{resultTypes: ["violations"], preload: false, ...rules}});
  const rule = "color-contrast";
  const found = [];
  if (colours) {{
    const looks = ({LOOKS})();
    found.push(await run({{include: looks}}, {{runOnly: {{type: "rule", values: [rule]}}}}));
  }}
  if (rest) found.push(await run(document, {{rules: {{[rule]: {{enabled: false}}}}}}));
  return found.flatMap((result) => result.violations).flatMap((fault) =>
    fault.nodes.slice(0, 3).map((node) => fault.id + ": " + node.html.slice(0, 160)));
}}"""


def inaccessible(page: Any) -> list[str]:
    """Violations that axe-core finds, in both themes and at both widths; run it last.

    axe spends milliseconds on every element, and a chapter has ten thousand, most of them formulas
    and coloured words of code. So the page is thinned first; contrast is judged on two pieces of
    text of each look, in the second theme at the first width only; and every other rule once for
    each width, since a theme changes colours and a width does not. axe's own loading of style
    sheets is off: it asks for addresses that do not exist.
    """
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    page.evaluate(THIN)
    page.evaluate(_axe())
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)  # the theme makes what scrolls reachable 300 ms after a resize
        for theme in THEMES if width == WIDTHS[0] else THEMES[:1]:
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            found = page.evaluate(AXE, [True, theme == THEMES[0]])
            faults += [f"axe, {theme}, {width} pixels: {fault}" for fault in found]
    return faults
