"""The API pages: every public name of the package, its docstring set, with links to its source.

    .. api-module:: metrics     all of course_utils.metrics, module by module
    {api-overview}              all modules along the pipeline, with the names they define

The source is read, not imported (``course_api_source``); its docstrings are set by napoleon
(``course_api_text``) and the names by Sphinx's Python domain. ``[source]`` leads to a coloured copy
of the source within the site (sphinx.ext.viewcode), the line below a module's title to the
repository. A reference by any name a reader may import, ``course_utils.training.fit`` as well as
``course_utils.training.loop.fit``, leads to the one place that describes it.
"""

import re
from functools import cache
from pathlib import Path

from course_api_source import PACKAGE, Source, Symbol, read_modules
from course_api_text import to_rst
from course_architecture import files_of, read_package
from course_sources import Place, find_symbol
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective


class _Api(SphinxDirective):
    @property
    def root(self) -> Path:
        return Path(self.env.srcdir)

    def modules(self, name: str) -> list[Source]:
        sources = read_modules(self.root, name)
        for source in sources:
            self.env.note_dependency(str(source.path))
        return sources


class ApiModule(_Api):
    """``.. api-module:: metrics``: all public names of one top-level module, as sections."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        try:
            sources = self.modules(name)
        except OSError as error:
            raise self.error(f"api-module: no module {name}: {error.strerror}") from error
        lines: list[str] = []
        for source in sources:
            if source.name.count(".") > 1:
                title = source.name.split(".", 2)[2]
                lines += ["", title, "-" * len(title), ""]
            lines += self._module(source)
        return self._parse(lines)

    def _parse(self, lines: list[str]) -> list[nodes.Node]:
        holder = nodes.section()
        holder.document = self.state.document
        text = StringList(lines, source=self.env.docname)
        self.state.nested_parse(text, 0, holder, match_titles=1)
        return holder.children

    def _module(self, source: Source) -> list[str]:
        place = Place(source.path.relative_to(self.root).as_posix())
        address = place.url(self.config.course_repository_url, self.config.course_repository_branch)
        lines = [f".. py:module:: {source.name}", ""]
        lines += [f"``{source.name}`` · `{place.path} <{address}>`__", ""]
        lines += [".. rst-class:: api-purpose", "", "..", "", *to_rst(source.docstring), ""]
        if source.passed_on:
            names = [f":py:obj:`{n} <{o}>`" for n, o in sorted(source.passed_on.items())]
            lines += [f"Import from ``{source.name}``: {', '.join(names)}.", ""]
        for symbol in source.symbols:
            lines += describe(symbol)
        return lines


def describe(symbol: Symbol, indent: str = "") -> list[str]:
    """The directive that describes a symbol, its members inside it."""
    short = symbol.name.rpartition(".")[2]
    lines = [f".. py:{symbol.kind}:: {short}{symbol.signature}"]
    lines += [f"    {option}" for option in symbol.options]
    lines.append("")
    lines += [f"    {line}" if line else "" for line in to_rst(symbol.docstring)]
    for member in symbol.members:
        lines += ["", *describe(member, "    ")]
    lines.append("")
    return [f"{indent}{line}" if line else "" for line in lines]


class ApiOverview(_Api):
    """``{api-overview}``: the modules from left to right, with links to all they define."""

    def run(self) -> list[nodes.Node]:
        listed = nodes.definition_list(classes=["api-overview"])
        for module in read_package(self.root)[1]:
            if not files_of(self.root, module.name):
                continue
            title = nodes.term("", "", _link(self, "mod", f"{PACKAGE}.{module.name}", module.name))
            meaning = nodes.definition("", nodes.paragraph("", f"{_sentence(module.purpose)}."))
            meaning += self._names(self.modules(module.name))
            listed += nodes.definition_list_item("", title, meaning)
        return [listed]

    def _names(self, sources: list[Source]) -> nodes.paragraph:
        paragraph = nodes.paragraph(classes=["api-names"])
        names = [(s.name, f"{source.name}.{s.name}") for source in sources for s in source.symbols]
        for shown, target in sorted(names, key=lambda pair: pair[0].lower()):
            if paragraph.children:
                paragraph += nodes.Text(" ")
            paragraph += _link(self, "obj", target, shown)
        return paragraph


def _sentence(purpose: str) -> str:
    """A purpose with a capital, unless it begins with code such as ``fit()``."""
    first, _, rest = purpose.partition(" ")
    return purpose if "(" in first else f"{first.capitalize()} {rest}"


def _link(directive: SphinxDirective, kind: str, target: str, shown: str) -> nodes.Node:
    return addnodes.pending_xref(
        "",
        nodes.literal("", shown, classes=["xref", "py"]),
        refdomain="py",
        reftype=kind,
        reftarget=target,
        refwarn=True,
        refdoc=directive.env.docname,
    )


def api_link(directive: SphinxDirective, dotted: str, shown: nodes.Node) -> nodes.Node:
    """A link to where a symbol is described, or into the repository where no page does."""
    link = _link(directive, "obj", dotted, "")
    link.children.clear()
    link += shown
    link["course_fallback"] = True
    return link


@cache
def _canonical(root: Path, dotted: str) -> str | None:
    """The name under which a symbol is described, or ``None``: follows what modules pass on."""
    try:
        place = find_symbol(root, dotted)
    except (LookupError, OSError, StopIteration):
        return None
    module = ".".join(Path(place.path).with_suffix("").parts[1:]).removesuffix(".__init__")
    parts = dotted.split(".")
    first = next((i for i, part in enumerate(parts) if not _is_module(root, parts[: i + 1])), None)
    return None if first is None else ".".join([module, *parts[first:]])


def _is_module(root: Path, parts: list[str]) -> bool:
    base = root.joinpath("src", *parts)
    return base.is_dir() or base.with_suffix(".py").is_file()


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Node
) -> nodes.Node | None:
    """Find a name of the package by another name it can be imported by."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    root, known = Path(env.srcdir), env.get_domain("py").objects
    nearby = f"{node.get('py:module')}.{target}"
    if not target.startswith(f"{PACKAGE}.") and _canonical(root, nearby) in known:
        target = nearby  # what the module it stands in has imported
    if not target.startswith(f"{PACKAGE}."):
        # A type of another library: named in a signature, described elsewhere.
        return shown if _is_in_signature(node) else None
    name = _canonical(root, target)
    found = known.get(name or "")
    if found is not None:
        address = app.builder.get_relative_uri(node["refdoc"], found.docname)
        return nodes.reference("", "", shown, internal=True, refuri=f"{address}#{found.node_id}")
    if not node.get("course_fallback"):
        return None
    place = find_symbol(root, target)
    if not app.config.course_repository_url:
        return shown
    address = place.url(app.config.course_repository_url, app.config.course_repository_branch)
    return nodes.reference("", "", shown, refuri=address, internal=False)


def _is_in_signature(node: nodes.Node | None) -> bool:
    while node is not None and not isinstance(node, addnodes.desc_signature):
        node = node.parent
    return node is not None


def _find_source(app: Sphinx, module: str) -> tuple[str, dict] | None:
    """Give viewcode the text of a module, so that it need not import it."""
    base = Path(app.srcdir).joinpath("src", *module.split("."))
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not file.is_file():
        return None
    return _analysed(file, module, file.stat().st_mtime_ns)


@cache
def _analysed(file: Path, module: str, changed: int) -> tuple[str, dict]:
    """viewcode asks anew for every name of a module."""
    text = file.read_text("utf-8")
    return text, ModuleAnalyzer.for_string(text, module).find_tags()


def _configure(app: Sphinx, config: Config) -> None:
    config.add_module_names = False
    config.viewcode_follow_imported_members = False
    config.viewcode_line_numbers = True
    # Twelve hundred names would make the navigation of every page slow to draw and to read.
    config.toc_object_entries = False
    # A page of source has its own way back; the book's contents would be drawn a hundred times.
    if config.html_theme == "sphinx_book_theme":
        short = ["navbar-logo.html", "search-button-field.html"]
        config.html_sidebars.setdefault("_modules/**", short)


def _one_list(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """viewcode's list of modules has lists as children of lists, which no browser may read out."""
    if page == "_modules/index":
        heading, _, rest = context["body"].partition("<ul>")
        context["body"] = f"{heading}<ul>{re.sub('</?ul>', '', rest)}</ul>"


def setup(app: Sphinx) -> None:
    """Register the directives, viewcode, and how names of the package are found."""
    app.setup_extension("sphinx.ext.viewcode")
    app.add_directive("api-module", ApiModule)
    app.add_directive("api-overview", ApiOverview)
    app.connect("config-inited", _configure)
    app.connect("viewcode-find-source", _find_source)
    app.connect("missing-reference", _resolve)
    app.connect("html-page-context", _one_list)
    app.add_css_file("api.css")
