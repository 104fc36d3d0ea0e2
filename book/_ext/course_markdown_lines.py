"""A line of Markdown from what stands within a line of a resolved page: words, links, formulas."""

import base64
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup
from docutils import nodes

SILENT = (
    "comment",
    "index",
    "meta",
    "pending",
    "sd_tab_input",
    "substitution_definition",
    "system_message",
    "tabular_col_spec",
    "target",
    "toctree",
)
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml", "image/webp")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    text = re.sub(r"([\\`*$<])", r"\\\1", " ".join(text.split("\n")))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


class Lines:
    """Lines of Markdown from one page's resolved tree.

    Args:
        link: Turns a reference or download node into an absolute address, or ``None`` for a place
            that needs no link.
        picture: Finds the file of a picture by its address on the page; ``None`` for one elsewhere.
        macros: TeX macros without arguments that the site defines, by name.
        number: The number of a formula, or that of a figure or theorem with its word; may be empty.
        special: Writers of nodes that belong to this book only, by the name of their class.
    """

    def __init__(
        self,
        *,
        link: Callable[[nodes.Element], str | None],
        picture: Callable[[str], Path | None],
        macros: dict[str, str] | None = None,
        number: Callable[[nodes.Element], str] = lambda node: "",
        special: dict[str, Callable[[nodes.Element], list[str]]] | None = None,
    ):
        self.link, self.picture, self.number = link, picture, number
        self.macros, self.special = macros or {}, special or {}
        self.depth = 0
        self.in_table = False

    def text(self, node: nodes.Element) -> str:
        """The children of a node on one line."""
        return "".join(map(self.inline, node.children)).strip()

    def inline(self, node: nodes.Node) -> str:
        """The Markdown of a node within a line."""
        if isinstance(node, nodes.Text):
            shown = escape(node.astext())
            return shown.replace("|", "\\|") if self.in_table else shown
        for kind in type(node).__mro__:
            if kind.__name__ in SILENT:
                return ""
            method = getattr(self, f"inline_{kind.__name__}", None)
            if method is not None:
                return method(node)
        return "".join(map(self.inline, node.children))

    def _wrapped(self, node: nodes.Element, mark: str, end: str = "") -> str:
        shown = self.text(node)
        return f"{mark}{shown}{end or mark}" if shown else ""

    def inline_emphasis(self, node: nodes.Element) -> str:
        return self._wrapped(node, "*")

    def inline_strong(self, node: nodes.Element) -> str:
        return self._wrapped(node, "**")

    def inline_subscript(self, node: nodes.Element) -> str:
        return self._wrapped(node, "<sub>", "</sub>")

    def inline_superscript(self, node: nodes.Element) -> str:
        return self._wrapped(node, "<sup>", "</sup>")

    def inline_footnote_reference(self, node: nodes.Element) -> str:
        return f"[{node.astext()}]"

    def inline_literal(self, node: nodes.Element) -> str:
        code = " ".join(node.astext().split("\n"))
        code = code.replace("|", "\\|") if self.in_table else code
        return f"`` {code} ``" if "`" in code else f"`{code}`"

    def inline_math(self, node: nodes.Element) -> str:
        return f"${self.formula(node.astext()).strip()}$"

    def formula(self, tex: str) -> str:
        """TeX with the site's macros written out, and no bar that would end a table's cell."""
        for name, meaning in self.macros.items():
            tex = re.sub(rf"\\{name}(?![A-Za-z])", lambda _, m=meaning: m, tex)
        if self.in_table:
            tex = re.sub(r"\\?\|", lambda m: "\\Vert " if m[0] == "\\|" else "\\vert ", tex)
        return tex

    def inline_reference(self, node: nodes.Element) -> str:
        shown, address = "".join(map(self.inline, node.children)), self.link(node)
        return f"[{shown}]({address})" if address and shown.strip() else shown

    inline_download_reference = inline_reference

    def inline_image(self, node: nodes.Element) -> str:
        words = " ".join(node.get("alt", "").split()).replace("[", "(").replace("]", ")")
        return f"![{words}]({self._address(node['uri'])})"

    def _address(self, uri: str) -> str:
        """A picture of the book travels within the notebook; another keeps its address."""
        file, kind = self.picture(uri), mimetypes.guess_type(uri)[0]
        if file is None or kind not in _PICTURES:
            return uri
        return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"

    def inline_raw(self, node: nodes.raw) -> str:
        """Drawings in HTML say what they show: their name, or the items of their list in a row."""
        if "html" not in node.get("format", "").split():
            return ""
        tree = BeautifulSoup(node.astext(), "html.parser")
        for drawing in tree.select("svg, img"):
            drawing.replace_with(drawing.get("aria-label") or drawing.get("alt") or "")
        for other in tree.select("style, script"):
            other.decompose()
        steps = [entry.get_text(" ", strip=True) for entry in tree.select("li")]
        return escape(" → ".join(steps) if steps else tree.get_text())
