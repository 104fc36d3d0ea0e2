"""A resolved page as plain Markdown, for readers whose program knows no directives.

Sphinx has resolved everything by the time it writes a page: numbers of equations, citations,
values from code, included sources. ``Writer`` walks that tree, not the source, so whatever a
directive or a role stood for arrives as text, links, formulas and code. A node it has no method for
becomes the text of what it contains, so nothing is lost and no markup of ours is left over.

    node -> blocks of Markdown;  text node -> a line of Markdown
"""

import re
import textwrap
from collections.abc import Iterator

from course_markdown_lines import SILENT, Lines
from docutils import nodes


def fold(summary: str, body: list[str]) -> str:
    """A block that opens on a click, in every program that shows Markdown."""
    inside = "\n\n".join(body)
    return f"<details>\n<summary>{summary}</summary>\n\n{inside}\n\n</details>"


def quote(body: list[str]) -> str:
    """A block quote around blocks."""
    lines = "\n\n".join(body).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def item(marker: str, body: list[str]) -> str:
    """A list item: the marker, and everything after its first line indented below it."""
    indent = "\n" + " " * (len(marker) + 1)
    return f"{marker} " + "\n\n".join(body).replace("\n", indent).replace(f"{indent}\n", "\n\n")


def _opening(text: str) -> str:
    """Keep a paragraph from beginning a list, a heading or a quote by accident."""
    text = re.sub(r"^(\d+)([.)])(?=\s)", r"\1\\\2", text)
    return re.sub(r"^([#>+-])(?=\s)", r"\\\1", text)


def _slim(parts: list[str]) -> list[str]:
    return [part for part in parts if part.strip()]


class Writer(Lines):
    """Markdown from one page's resolved tree."""

    def blocks(self, node: nodes.Node) -> list[str]:
        """The Markdown blocks of a node and everything below it."""
        for kind in type(node).__mro__:
            if kind.__name__ in self.special:
                return _slim(self.special[kind.__name__](node))
            if kind.__name__ in SILENT:
                return []
            method = getattr(self, f"block_{kind.__name__}", None)
            if method is not None:
                return _slim(method(node))
        if isinstance(node, nodes.TextElement | nodes.Text | nodes.Inline):
            return _slim([_opening(self.inline(node))])
        return self.inside(node)

    def inside(self, node: nodes.Element) -> list[str]:
        """The blocks of a node's children; neighbouring inline children make one block."""
        found: list[str] = []
        line = ""
        for child in node.children:
            if isinstance(child, nodes.Text | nodes.Inline) and not isinstance(child, nodes.raw):
                line += self.inline(child)
                continue
            found += [line, *self.blocks(child)]
            line = ""
        return _slim([*found, line])

    def block_section(self, node: nodes.section) -> list[str]:
        self.depth += 1
        found = self.inside(node)
        self.depth -= 1
        return found

    def block_title(self, node: nodes.title) -> list[str]:
        return [f"{'#' * max(1, min(self.depth, 6))} {self.text(node)}"]

    def block_rubric(self, node: nodes.rubric) -> list[str]:
        return [f"**{self.text(node)}**"]

    block_caption = block_sd_tab_label = block_rubric

    def block_transition(self, node: nodes.transition) -> list[str]:
        return ["---"]

    def block_bullet_list(self, node: nodes.bullet_list) -> list[str]:
        return ["\n".join(item("-", self.inside(child)) for child in node.children)]

    def block_enumerated_list(self, node: nodes.enumerated_list) -> list[str]:
        first = node.get("start", 1)
        entries = enumerate(node.children, start=first)
        return ["\n".join(item(f"{count}.", self.inside(child)) for count, child in entries)]

    def block_definition_list(self, node: nodes.definition_list) -> list[str]:
        return ["\n".join(item("-", self._definition(entry)) for entry in node.children)]

    def _definition(self, entry: nodes.Element) -> list[str]:
        terms = [self.text(child) for child in entry.findall(nodes.term)]
        bodies = [child for child in entry.children if not isinstance(child, nodes.term)]
        term = f"**{', '.join(terms)}**:"
        found = [part for body in bodies for part in self.blocks(body)]
        joined = found and isinstance(bodies[0].children[0], nodes.paragraph)
        return [f"{term} {found[0]}", *found[1:]] if joined else [term, *found]

    def block_field_list(self, node: nodes.field_list) -> list[str]:
        entries = [
            [f"**{self.text(field[0])}**: {' '.join(self.inside(field[1]))}"]
            for field in node.children
        ]
        return ["\n".join(item("-", entry) for entry in entries)]

    def block_block_quote(self, node: nodes.block_quote) -> list[str]:
        return [quote(self.inside(node))]

    def block_line_block(self, node: nodes.line_block) -> list[str]:
        return ["  \n".join(self.text(line) for line in node.findall(nodes.line))]

    def block_Admonition(self, node: nodes.Element) -> list[str]:
        """A box: its title in bold and its content, quoted; folded if it was folded."""
        children = list(node.children)
        titled = bool(children) and isinstance(children[0], nodes.title)
        title = self.text(children.pop(0)) if titled else type(node).__name__.capitalize()
        title = f"{self.number(node)} {title}".strip()
        body = [part for child in children for part in self.blocks(child)]
        if "dropdown" in node.get("classes", []):
            return [fold(title, body)]
        return [quote([f"**{title}**", *body])]

    block_topic = block_sidebar = block_Admonition

    def block_dropdown_main(self, node: nodes.Element) -> list[str]:
        title, *rest = node.children
        words = [child for child in title.children if not isinstance(child, nodes.raw)]
        body = [part for child in rest for part in self.blocks(child)]
        return [fold("".join(map(self.inline, words)).strip() or "Open", body)]

    def block_literal_block(self, node: nodes.literal_block) -> list[str]:
        code = textwrap.dedent(node.astext())
        language = node.get("language", "")
        language = "" if language in ("none", "default") else language
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"`{3,}", code)), default=0))
        return [f"{fence}{language}\n{code.rstrip()}\n{fence}"]

    def block_doctest_block(self, node: nodes.doctest_block) -> list[str]:
        return [f"```pycon\n{node.astext()}\n```"]

    def block_desc_signature(self, node: nodes.Element) -> list[str]:
        return [f"```python\n{node.astext().strip()}\n```"]

    def block_math_block(self, node: nodes.math_block) -> list[str]:
        formula = self.formula(node.astext()).strip()
        number = self.number(node)
        if number:
            formula += f" \\tag{{{number}}}"
        return [f"$$\n{formula}\n$$"]

    def block_image(self, node: nodes.Element) -> list[str]:
        return [self.inline(node)]

    block_raw = block_image

    def block_figure(self, node: nodes.figure) -> list[str]:
        number = self.number(node)
        found = []
        for child in node.children:
            part = self.inside(child) if isinstance(child, nodes.legend) else self.blocks(child)
            if isinstance(child, nodes.caption):
                part = [f"*{f'{number} ' if number else ''}{self.text(child)}*"]
            found += part
        return found

    def block_footnote(self, node: nodes.footnote) -> list[str]:
        label, *rest = node.children
        body = [part for child in rest for part in self.blocks(child)]
        return [f"[{label.astext()}] " + "\n\n".join(body)]

    block_citation = block_footnote

    def block_table(self, node: nodes.table) -> list[str]:
        titles = [f"**{self.text(child)}**" for child in node.children if child.tagname == "title"]
        outer, self.in_table = self.in_table, True
        head = [self._cells(row) for part in node.findall(nodes.thead) for row in part.children]
        rows = [self._cells(row) for part in node.findall(nodes.tbody) for row in part.children]
        self.in_table = outer
        width = max(map(len, head + rows), default=0)
        head = head or [[""] * width]
        sides = [self._side(node, column) for column in range(width)]
        return [*titles, "\n".join(f"| {' | '.join(row)} |" for row in (head[0], sides, *rows))]

    def _cells(self, row: nodes.row) -> list[str]:
        return ["<br>".join(self.inside(entry)).replace("\n", " ") for entry in row.children]

    def _side(self, node: nodes.table, column: int) -> str:
        for row in node.findall(nodes.row):
            if column < len(row.children) and "text-right" in row.children[column]["classes"]:
                return "---:"
        return "---"


def pages(doctree: nodes.document, writer: Writer) -> Iterator[str | int]:
    """The page in reading order: runs of Markdown, and the indices of the code cells between."""
    waiting: list[str] = []

    def code_cell(node: nodes.container) -> list[str]:
        if node.get("nb_element") != "cell_code":
            return writer.inside(node)
        return [f"\0{node['cell_index']}"]

    writer.special["container"] = code_cell
    for block in writer.blocks(doctree):
        if block.startswith("\0"):
            if waiting:
                yield "\n\n".join(waiting)
            waiting = []
            yield int(block[1:])
        else:
            waiting.append(block)
    if waiting:
        yield "\n\n".join(waiting)
