"""The API pages: they list what the package really defines, and set docstrings as written."""

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course_api  # noqa: E402
import course_api_source  # noqa: E402
import course_api_text  # noqa: E402
import course_architecture  # noqa: E402
from test_ext import build, page, write_project  # noqa: E402

MODULES = [module.name for module in course_architecture.read_package(ROOT)[1]]
SOURCES = [source for name in MODULES for source in course_api_source.read_modules(ROOT, name)]
# Importing a program runs it; the others are started by path, without the package around them.
PROGRAM = re.compile(r"__main__$|grading\.(enter|warden|forkserver|child)$")
PLAIN = ("function", "class", "exception")
CONSTANT = "data"  # aliases of types too


def test_there_is_one_page_for_each_module_in_the_order_of_the_pipeline():
    pages = {path.stem: path.read_text() for path in (ROOT / "book" / "api").glob("*.rst")}
    assert pages == {
        name: f".. _api-{name}:\n\n{name}\n{'=' * len(name)}\n\n.. api-module:: {name}\n"
        for name in MODULES
    }
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    (overview,) = [chapter for chapter in chapters if chapter["file"] == "book/api/index"]
    assert [s["file"] for s in overview["sections"]] == [f"book/api/{name}" for name in MODULES]


@pytest.mark.parametrize(
    "source", [s for s in SOURCES if not PROGRAM.search(s.name)], ids=lambda source: source.name
)
def test_what_is_read_is_what_an_import_finds(source):
    """The import system is the other road to the same names."""
    module = importlib.import_module(source.name)
    found = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing)))
        and getattr(thing, "__module__", "") == source.name
        and getattr(thing, "__qualname__", name) == name
    }
    assert {symbol.name for symbol in source.symbols if symbol.kind in PLAIN} == found


def test_no_module_is_left_out():
    files = {path for path in (ROOT / "src" / "course_utils").rglob("*.py")}
    hidden = {path for path in files if path.stem.startswith("_") and path.stem != "__init__"}
    assert {s.path for s in SOURCES} == files - hidden - {ROOT / "src/course_utils/__init__.py"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_public_function_class_and_method_has_a_docstring(source):
    assert source.docstring
    bare = [s.name for s in source.symbols if s.kind in PLAIN and not s.docstring]
    bare += [m.name for s in source.symbols for m in s.members if not m.docstring]
    assert bare == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_public_constant_has_a_docstring(source):
    """The line below it, of at least three words."""
    constants = [s for s in source.symbols if s.kind == CONSTANT]
    assert [s.name for s in constants if len(s.docstring.split()) < 3] == []


def test_a_constant_is_any_public_name_that_a_module_assigns():
    code = 'A = 1\n"""One."""\nB: int = 2\nC, D = 3, 4\n"""Two."""\n_e = 5\nF = list[int]\n'
    symbols = course_api_source._symbols(ast.parse(code), {})
    assert [(s.kind, s.name, s.docstring) for s in symbols] == [
        (CONSTANT, "A", "One."),
        (CONSTANT, "B", ""),
        (CONSTANT, "C", "Two."),
        (CONSTANT, "D", "Two."),
        (CONSTANT, "F", ""),
    ]


def signature(code: str, **known: str) -> str:
    node = ast.parse(code).body[0]
    return course_api_source._function(node, known, "").signature


def test_a_signature_is_what_its_author_wrote_with_names_in_full():
    known = {"Float": "jaxtyping.Float", "Tensor": "torch.Tensor", "np": "numpy"}
    code = 'def f(x: Float[Tensor, " n dim"], *, k: int = 2, y: np.ndarray | None = None)'
    code += ' -> "Tensor": ...'
    assert signature(code, **known) == (
        "(x: ~jaxtyping.Float[~torch.Tensor, 'n dim'], *, k: int = 2, "
        "y: ~numpy.ndarray | None = None) -> ~torch.Tensor"
    )
    assert signature("def f(a, /, b=1, *rest, c, **more): ...") == "(a, /, b=1, *rest, c, **more)"


def test_a_class_is_called_with_its_init_or_its_fields():
    code = """
class Plain: ...
@dataclass(frozen=True)
class Made:
    a: int
    kind: ClassVar[str] = "x"
    b: float = 1.0
class Written:
    def __init__(self, c): ...
    @property
    def size(self) -> int: ...
    @classmethod
    def of(cls, d): ...
    @staticmethod
    def free(e): ...
    def _hidden(self): ...
"""
    plain, made, written = course_api_source._symbols(ast.parse(code), {})
    assert (plain.signature, made.signature, written.signature) == (
        "",
        "(a: int, b: float = 1.0)",
        "(c)",
    )
    assert [(m.kind, m.name, m.signature, m.options) for m in written.members] == [
        ("property", "Written.size", "", (":type: int",)),
        ("method", "Written.of", "(d)", (":classmethod:",)),
        ("method", "Written.free", "(e)", (":staticmethod:",)),
    ]


def test_signs_of_a_formula_are_no_markup():
    escape = course_api_text.escape
    assert escape("|x_i| ≤ 2*r_ + d*") == r"\|x\_i\| ≤ 2\*r\_ + d\*"
    assert escape("A *head* of `x_i` and ``y*``") == "A *head* of ``x_i`` and ``y*``"
    assert escape("[bishop2006pattern; neal2001annealed] x[i2]") == (
        ":cite:`bishop2006pattern,neal2001annealed` x[i2]"
    )
    assert escape(":func:`frames`") == ":func:`frames`"


def test_layout_of_a_docstring_is_kept():
    text = """First line of |x|.

    W = (1/n) Σ_i x_i

* one of p_k
  goes on
* two

mixture     Gaussians: density
            and more
curves      eight

| a | b_c |
| - | --- |
| 1 | 2 |

Args:
    x: Values in [0, 1]: two_of.

Returns:
    H in nats: at least 0.

Source:
    [bishop2006pattern], equation 1.
"""
    lines = [line.rstrip() for line in course_api_text.to_rst(text)]
    for start, block in {
        "::": ["::", "", "    W = (1/n) Σ_i x_i"],
        "* one": [r"* one of p\_k", "  goes on", "* two"],
        "``mixture``": [
            "``mixture``",
            "    Gaussians: density",
            "    and more",
            "``curves``",
            "    eight",
        ],
        ".. list": [".. list-table::", "    :header-rows: 1", "", "    * - a", r"      - b\_c"],
        ":param": [r":param x: Values in [0, 1]: two\_of."],
        ":returns": [":returns: H in nats: at least 0."],
        ":Source": [":Source: :cite:`bishop2006pattern`, equation 1."],
    }.items():
        (first,) = [i for i, line in enumerate(lines) if line.startswith(start)]
        assert lines[first : first + len(block)] == block


PAGES = {
    "index.md": """# Book

{py:func}`course_utils.total` and {py:meth}`course_utils.sums.Sum.of`

```{api-overview}
```

```{concept-table}
```

```{bibliography}
```

```{toctree}
api
numbers
chapter
```
""",
    "api.rst": "sums\n====\n\n.. api-module:: sums\n",
    "numbers.rst": "numbers\n=======\n\n.. api-module:: numbers\n",
    "chapter.md": "(concept-toy.sum)=\n# The sum, explained\n\n(concept-toy.text)=\nA paragraph.\n",
    "book/references.bib": "@misc{neal2001annealed, title={A}, author={Neal}, year=2001}\n",
    "book/chapter.md": "---\norphan: true\n---\n# Other\n",
    "book/concepts.csv": "id,name,week,label,implementation,test,sources\n"
    "toy.sum,Sums,0,concept-toy.sum,course_utils.sums.Sum.of,tests/test_toy.py::test_the_sum_is_right,0\n"
    "toy.text,Texts,1,concept-toy.text,course_utils.total,tests/test_toy.py::test_the_sum_is_right,0\n",
    "src/course_utils/__init__.py": '"""A package.\n\n    world -> batch -> figure\n\nModules:\n\n'
    '    numbers  what is counted\n    sums     adding it up\n"""\n\n'
    "from course_utils.sums import total\n",
    "src/course_utils/numbers.py": '"""Numbers."""\n\nLARGEST = 9\n"""The largest."""\n',
    "src/course_utils/sums.py": '''"""Sums of |x_i|."""

import torch
from course_utils.numbers import LARGEST


class Sum:
    """A sum.

    Attributes:
        value: What it is.
    """

    def of(self, x: torch.Tensor) -> "Sum":
        """Add up x_* [neal2001annealed]."""


def total(kind: Sum, most: int = LARGEST) -> list[Sum]:
    """Everything."""
''',
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    write_project(folder, **PAGES)
    config = (folder / "conf.py").read_text()
    config = config.replace('"course"]', '"course", "sphinxcontrib.bibtex"]')
    config += '\nbibtex_bibfiles = ["book/references.bib"]\n'
    config += 'nitpick_ignore = [("py:class", "torch.Tensor")]\n'
    (folder / "conf.py").write_text(config)
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return {name: page(folder, name) for name in ("index", "api", "_modules/course_utils/sums")}


def test_a_page_shows_signature_docstring_and_two_ways_to_the_source(site):
    method = site["api"].find(id="course_utils.sums.Sum.of")
    assert method.get_text().split("[source]")[0].strip() == "of(x: Tensor) → Sum"
    assert "Add up x_* " in method.find_next("dd").get_text()
    assert method.find_next("dd").select_one("a[href*='index.html#']")  # the bibliography
    local = method.select_one("a:has(.viewcode-link)")["href"]
    name, anchor = local.split("#")
    assert name == "_modules/course_utils/sums.html"
    assert "def of" in site["_modules/course_utils/sums"].find(id=anchor).get_text()
    file = site["api"].select_one("a[href^='https://example.org/repo/blob/main/src/']")
    assert file["href"].endswith("src/course_utils/sums.py")
    assert "Sums of |x_i|." in site["api"].select_one("article, .body, body").get_text()


def test_types_of_the_package_are_links_and_others_are_words(site):
    total = site["api"].find(id="course_utils.sums.total")
    links = [link["href"] for link in total("a") if link.get_text() == "Sum"]
    assert links == ["#course_utils.sums.Sum"] * 2
    assert "most: int = LARGEST" in " ".join(total.get_text().split())


def test_a_name_is_found_by_every_way_to_import_it(site):
    links = {a.get_text(): a["href"] for a in site["index"].find("p")("a")}
    assert links == {
        "course_utils.total()": "api.html#course_utils.sums.total",
        "course_utils.sums.Sum.of()": "api.html#course_utils.sums.Sum.of",
    }


def test_the_overview_follows_the_pipeline_and_links_every_name(site):
    overview = site["index"].select_one("dl.api-overview")
    assert [term.get_text() for term in overview("dt")] == ["numbers", "sums"]
    assert [d.p.get_text() for d in overview("dd")] == ["What is counted.", "Adding it up."]
    links = {a.get_text(): a["href"] for a in overview.select("p.api-names a")}
    assert links == {
        "LARGEST": "numbers.html#course_utils.numbers.LARGEST",
        "Sum": "api.html#course_utils.sums.Sum",
        "total": "api.html#course_utils.sums.total",
    }


def test_a_concept_leads_to_its_section_and_to_its_code_on_the_pages(site):
    rows = site["index"].select("table.concept-table tbody tr")
    links = [[a["href"] for a in row("a")][:2] for row in rows]
    assert links == [
        ["chapter.html#concept-toy-sum", "api.html#course_utils.sums.Sum.of"],
        ["chapter.html#concept-toy-text", "api.html#course_utils.sums.total"],
    ]
    # A concept that a paragraph introduces goes by the title of the section around it.
    assert [row("td")[1].get_text() for row in rows] == ["The sum, explained"] * 2


def test_a_name_that_is_nowhere_fails_the_build(tmp_path):
    text = "# Book\n\n{py:func}`course_utils.sums.nothing`\n"
    done = build(write_project(tmp_path, **{"index.md": text}))
    assert done.returncode != 0
    assert "course_utils.sums.nothing" in done.stderr


def test_a_page_of_no_module_fails_the_build(tmp_path):
    files = {"more.rst": "more\n====\n\n.. api-module:: more\n"}
    done = build(write_project(tmp_path, **files))
    assert done.returncode != 0
    assert "api-module: no module more" in done.stderr


def test_the_name_of_a_class_is_what_directives_describe():
    described = course_api.describe(course_api_source.Symbol("function", "f", "(x)", "Does."))
    assert described == [".. py:function:: f(x)", "", "    Does.", ""]
