"""The book's directives, built by Sphinx on a page of their own and read back from its HTML."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSION))

import course_images  # noqa: E402
import course_mathjax  # noqa: E402
import course_sources  # noqa: E402

CONFIG = f"""
import sys
sys.path.insert(0, {str(EXTENSION)!r})
extensions = ["myst_nb", "sphinx_thebe", "course"]
myst_enable_extensions = ["dollarmath", "tasklist", "colon_fence"]
nb_execution_mode = "off"
html_theme = "basic"
html_static_path = ["theme"]
html_js_files = ["scripts/fontawesome.js", "searchtools.js"]
course_repository_url = "https://example.org/repo/"
exclude_patterns = ["_build"]
"""

CHAPTER = """
(concept-toy.sum)=
# A chapter

```{glance}
question: "Why is $1 + 1 = 2$?"
solves:
  sample: exact
  score: bound, from below
  infer: absent
  learn: exact
prerequisites: ["[the other page](../index.md)", counting]
reading: 20
outcomes: [add]
```

See {ref}`erratum-e32`.

![A bar that is twice as wide as it is high](wide.svg)

```{erratum} E32 A short title
Says *this*.
```
"""

INDEX = """
# Book

See {ref}`erratum-e32`.

```{concept-table}
```

```{pipeline}
```

```{module-map}
```

```{toctree}
book/chapter
```
"""

HEADER = "id,name,week,label,implementation,test,sources\n"
CONCEPT = "toy.sum,The sum,0,concept-toy.sum,{code},tests/test_toy.py::test_the_sum_is_right,003\n"
CONCEPTS = HEADER + CONCEPT.format(code="course_utils.Sum.of course_utils.sums")

PACKAGE = {
    "__init__.py": '"""A package.\n\n    world -> batch -> figure\n\nModules:\n\n'
    '    numbers  what is counted\n    sums     adding it up\n"""\n\n'
    "from course_utils.sums import Sum\n",
    "numbers.py": "",
    "sums.py": "from course_utils import numbers\n\n\nclass Sum:\n    def of(self):\n"
    "        return numbers\n",
}


def write_project(folder: Path, **more: str) -> Path:
    files = {
        "conf.py": CONFIG,
        "index.md": INDEX,
        "book/chapter.md": CHAPTER,
        "book/concepts.csv": CONCEPTS,
        "theme/scripts/fontawesome.js": "draw every icon again",
        "theme/site.css": "",
        "theme/course.js": "",
        "book/wide.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="40.4" height="20"/>',
        "tests/test_toy.py": "import math\n\n\ndef test_the_sum_is_right():\n    assert math\n",
    } | {f"src/course_utils/{name}": text for name, text in PACKAGE.items()}
    # More than five pages, so that Sphinx reads them in two processes.
    pages = {f"page{i}.md": f"---\norphan: true\n---\n\n# Page {i}\n" for i in range(6)}
    for name, text in (files | pages | more).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def build(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-j", "2"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, str(folder), str(folder / "_build/html")],
        capture_output=True,
        text=True,
        env=environment,
    )


def page(folder: Path, name: str) -> BeautifulSoup:
    text = (folder / "_build" / "html" / f"{name}.html").read_text("utf-8")
    return BeautifulSoup(text, "html.parser")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site built twice: before and after its chapter was executed."""
    folder = write_project(tmp_path_factory.mktemp("site"))
    first = build(folder)
    assert first.returncode == 0, first.stderr
    before = page(folder, "book/chapter")
    executed = folder / "_build" / "executed" / "chapter.ipynb"
    executed.parent.mkdir(parents=True)
    notebook = {"cells": [], "nbformat": 4, "nbformat_minor": 5}
    executed.write_text(json.dumps({**notebook, "metadata": {"course": {"cpu_seconds": 11.7}}}))
    second = build(folder)
    assert second.returncode == 0, second.stderr
    return {
        "before": before,
        "chapter": page(folder, "book/chapter"),
        "index": page(folder, "index"),
        "folder": folder,
    }


def glance(chapter: BeautifulSoup) -> dict[str, str]:
    entries = chapter.select_one(".glance").dl
    terms = [term.get_text() for term in entries("dt")]
    return dict(zip(terms, [" ".join(d.get_text().split()) for d in entries("dd")], strict=True))


def test_glance_shows_what_the_chapter_says_and_what_its_execution_took(site):
    facts = glance(site["chapter"])
    assert facts["Solves"] == "sample exact score bound, from below infer absent learn exact"
    assert facts["You need"] == "the other page counting"
    assert facts["Time"] == "20 minutes to read, 12 CPU seconds to run"
    assert facts["Afterwards you can"] == "add"
    assert site["chapter"].select_one(".glance a[href='../index.html']")


def test_a_chapter_that_was_not_executed_says_so_and_is_read_again(site):
    assert glance(site["before"])["Time"] == "20 minutes to read, CPU time not measured yet"


def test_erratum_has_an_anchor_a_title_and_a_name(site):
    box = site["chapter"].find(id="erratum-e32")
    assert "erratum" in box["class"]
    assert box.select_one(".admonition-title").get_text() == "Erratum E32: A short title"
    for name, address in (("chapter", "#erratum-e32"), ("index", "book/chapter.html#erratum-e32")):
        assert site[name].select_one(f"a[href='{address}']").get_text() == "Erratum E32"


def test_concept_table_links_section_code_and_test(site):
    row = site["index"].select_one("table.concept-table tbody tr")
    links = {link.get_text(): link["href"] for link in row("a")}
    assert links == {
        "A chapter": "book/chapter.html#concept-toy-sum",
        "Sum.of": "https://example.org/repo/blob/main/src/course_utils/sums.py#L5",
        "course_utils.sums": "https://example.org/repo/blob/main/src/course_utils/sums.py",
        "the sum is right": "https://example.org/repo/blob/main/tests/test_toy.py#L4",
    }
    assert row.find("th").get_text(" ", strip=True) == "The sum toy.sum"


def test_only_the_page_with_the_table_loads_its_script(site):
    loaded = {
        name: any("concepts.js" in tag.get("src", "") for tag in site[name]("script"))
        for name in ("index", "chapter")
    }
    assert loaded == {"index": True, "chapter": False}


def test_drawings_say_what_the_docstring_says(site):
    steps = site["index"].select("ol.pipeline > li")
    assert [step.get_text() for step in steps] == ["world", "batch", "figure"]
    arcs = site["index"].select_one("svg.module-arcs")
    assert [name.get_text() for name in arcs("text")] == ["numbers", "sums"]
    assert len(arcs("path")) == 1
    assert "numbers, sums" in arcs["aria-label"]
    rows = [[c.get_text() for c in r(["th", "td"])] for r in arcs.find_next("table").tbody("tr")]
    assert rows == [["numbers", "what is counted", "nothing"], ["sums", "adding it up", "numbers"]]


def sources(page: BeautifulSoup) -> str:
    return " ".join(tag.get("src", "") for tag in page("script"))


def test_pages_load_no_kernel_no_icons_twice_and_no_search_but_on_its_page(site):
    assert "thebe" not in str(site["chapter"]("script")).lower()
    assert "thebe" not in str(site["chapter"]("link")).lower()
    loaded = sources(site["chapter"])
    assert "course.js" in loaded
    assert not [name for name in ("fontawesome", "searchtools", "search.js") if name in loaded]
    found = sources(page(site["folder"], "search"))
    assert "searchtools.js" in found
    assert "_static/search.js" in found
    assert "fontawesome" not in found


def test_a_picture_tells_its_size_and_waits_until_it_is_near(site):
    (picture,) = [tag for tag in site["chapter"]("img") if "wide" in tag["src"]]
    assert (picture["width"], picture["height"]) == ("40", "20")
    assert picture["loading"] == "lazy"


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="data:image/png;base64,AAAA" alt="">',
        '<img src="https://example.org/wide.png" alt="">',
        '<img height="3" src="wide.svg" width="4" alt="">',
    ],
)
def test_a_picture_that_is_sized_or_lies_elsewhere_stays_as_it_is(tag, tmp_path):
    (tmp_path / "wide.svg").write_text('<svg width="40" height="20"/>')
    assert course_images.with_size(tag, {"wide.svg": tmp_path / "wide.svg"}) == tag


def test_mathematics_lies_beside_the_pages(site):
    source = site["chapter"].select_one("script[src*=tex-]")["src"]
    if course_mathjax.mathjax_folder() is None:
        assert source.startswith("https://")
        return
    file = (site["folder"] / "_build/html/book" / source.split("?")[0]).resolve()
    assert file.is_file()
    assert list(file.parent.glob("output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff"))


def test_a_mistake_in_a_page_fails_the_build_and_is_named(tmp_path):
    broken = CHAPTER.replace("E32 A short", "Thirty-two A short")
    tables = {
        "label.csv": CONCEPTS.replace("concept-toy.sum", "concept-toy.no"),
        "code.csv": CONCEPTS.replace("Sum.of", "Sum.off"),
        "test.csv": CONCEPTS.replace("::test_the_sum_is_right", "::test_difference"),
        "columns.csv": CONCEPTS.replace("label", "anchor"),
    }
    asked = "\n".join(f"```{{concept-table}} {name}\n```" for name in tables)
    files = {
        "book/chapter.md": broken.replace("score: bound", "score: maybe"),
        "index.md": f"{INDEX}\n{asked}\n",
    }
    done = build(write_project(tmp_path, **files, **tables))
    assert done.returncode != 0
    for message in (
        "undefined label: 'concept-toy.no'",
        "src/course_utils/sums.py does not define off",
        "tests/test_toy.py does not define test_difference",
        "columns.csv: expected the columns id, name, week, label",
        "erratum: expected a number such as E32, got 'Thirty-two'",
        "solves: score: expected one of exact, bound, estimate, absent",
    ):
        assert message in done.stderr


def test_symbols_are_found_where_they_are_defined():
    place = course_sources.find_symbol(ROOT, "course_utils.interactive.Frames.html")
    line = (ROOT / place.path).read_text("utf-8").splitlines()[place.line - 1]
    assert line.strip() == "html: str"
    with pytest.raises(LookupError, match="no such module"):
        course_sources.find_symbol(ROOT, "nowhere.to.be.found")
