"""Docstrings of the package as reStructuredText, which napoleon and Sphinx then set.

A docstring is plain text: mathematics in Unicode, ``code`` in one or two backticks, *stress*, keys
of the bibliography in square brackets, indented formulas, small tables, lists of a name and what it
means. reStructuredText would read a bar, a star or an underscore of a formula as markup. So every
such sign is escaped, and the layout that means something is said in directives.
"""

import re
import textwrap

from sphinx.ext.napoleon import Config, GoogleDocstring

KEY = r"[a-z]+\d{4}[a-z]+"
_CITED = re.compile(rf"\[({KEY}(?:[;,] ?{KEY})*)\]")
_CODE = re.compile(r"(:\w+:)?(`{1,2})([^`]+)\2")
_STRESS = re.compile(r"(?<![\w*\\])(\*{1,2})(?=[^\s*])([^*\n]*[^\s*])\1(?![\w*])")
_SECTION = re.compile(r"^[A-Z][a-z]+:$")
_BULLET = re.compile(r"^[*-] +")
_NAMED = re.compile(r"^(\S+(?: \S+){0,3}) {2,}(\S.*)$")
_OWN_SECTIONS = ("Returns", "Yields", "Accuracy", "Source")
_NAPOLEON = Config(
    napoleon_use_ivar=True,
    napoleon_use_rtype=False,
    napoleon_custom_sections=[("Accuracy", "returns_style"), ("Source", "returns_style")],
)


def to_rst(docstring: str) -> list[str]:
    """The lines of a docstring, cleaned of its indentation, as reStructuredText."""
    lines: list[str] = []
    for block in _blocks(docstring.splitlines()):
        if _SECTION.match(block[0]):
            lines += _section(block)
        else:
            lines += _prose(block)
        lines.append("")
    return str(GoogleDocstring(lines, _NAPOLEON)).splitlines()


def _blocks(lines: list[str]) -> list[list[str]]:
    """Paragraphs, and whole sections: a title such as ``Args:`` and all that is indented below."""
    blocks: list[list[str]] = []
    in_section = False
    for line in lines:
        if _SECTION.match(line):
            in_section = True
            blocks.append([line])
        elif in_section and (not line or line.startswith(" ")):
            blocks[-1].append(line)
        elif not line:
            blocks.append([])
        else:
            if in_section or not blocks:
                blocks.append([])
            in_section = False
            blocks[-1].append(line)
    return [block for block in blocks if block]


def _section(block: list[str]) -> list[str]:
    title, *body = block
    body = [escape(line) for line in body]
    if title[:-1] in _OWN_SECTIONS and body:
        # An empty type before the colon: what stands there is a sentence, never "type: meaning".
        body[0] = re.sub(r"^( *)", r"\1: ", body[0])
    return [title, *body]


def _prose(block: list[str]) -> list[str]:
    if all(line.startswith("|") for line in block):
        return _table(block)
    if all(line.startswith("  ") for line in block):
        block = textwrap.dedent("\n".join(block)).splitlines()
        if not _is_list_of_names(block):
            return ["::", "", *(f"    {line}" for line in block)]
    if _is_list_of_names(block):
        return _names(block)
    if _BULLET.match(block[0]):
        return [
            _BULLET.match(line)[0] + escape(_BULLET.sub("", line))
            if _BULLET.match(line)
            else escape(line)
            for line in block
        ]
    return [escape(line) for line in block]


def _is_list_of_names(block: list[str]) -> bool:
    named = [bool(_NAMED.match(line)) for line in block]
    continued = [line.startswith("   ") for line in block]
    return named[0] and all(map(any, zip(named, continued, strict=True)))


def _names(block: list[str]) -> list[str]:
    lines = []
    for line in block:
        found = _NAMED.match(line)
        if found and not line.startswith(" "):
            lines += [f"``{found[1].strip('`')}``", f"    {escape(found[2])}"]
        else:
            lines.append(f"    {escape(line.strip())}")
    return lines


def _table(block: list[str]) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block]
    rows = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    lines = [".. list-table::", "    :header-rows: 1", ""]
    for row in rows:
        lines += [f"    {'*' if i == 0 else ' '} - {escape(c)}" for i, c in enumerate(row)]
    return lines


def escape(text: str) -> str:
    """One line with the signs of reStructuredText escaped, but for code, stress and citations."""
    kept: list[str] = []

    def keep(markup: str) -> str:
        kept.append(markup)
        return f"\0{len(kept) - 1}\0"

    def code(found: re.Match) -> str:
        return keep(found[0] if found[1] else f"``{found[3]}``")

    text = _CODE.sub(code, text)
    text = _CITED.sub(lambda m: keep(f":cite:`{re.sub('[;,] ?', ',', m[1])}`"), text)
    text = _STRESS.sub(lambda m: keep(f"{m[1]}{escape(m[2])}{m[1]}"), text)
    text = re.sub(r"([\\*`|_])", r"\\\1", text)
    while "\0" in text:
        text = re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], text)
    return text
