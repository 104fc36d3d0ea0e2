"""Downloaded notebooks: a page with every form a chapter may use, built and read as plain Markdown.

The expected numbers are those that the built page shows.
"""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSION))

import course_colab  # noqa: E402
import course_launch  # noqa: E402
import course_notebook  # noqa: E402
from course_markdown import Writer  # noqa: E402

CONFIG = f"""
import sys
sys.path.insert(0, {str(EXTENSION)!r})
project = "A book"
extensions = ["myst_nb", "sphinx_design", "sphinx_proof", "sphinxcontrib.bibtex", "course"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
bibtex_bibfiles = ["references.bib"]
nb_execution_mode = "off"
numfig = math_numfig = True
html_theme = "sphinx_book_theme"
html_theme_options = {{
    "repository_url": "https://github.com/Someone/lessons",
    "path_to_docs": "",
    "repository_branch": "main",
    "launch_buttons": {{
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    }},
}}
course_repository_url = "https://github.com/Someone/lessons"
macros = {{"E": "\\\\mathbb{{E}}", "KL": "\\\\operatorname{{KL}}"}}
mathjax3_config = {{"tex": {{"macros": macros}}}}
exclude_patterns = ["_build"]
"""

CHAPTER = r"""---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

(the-top)=
# A chapter

```{glance}
question: "Why is $1 + 1 = 2$?"
solves:
  sample: exact
  score: exact
  infer: absent
  learn: exact
prerequisites: ["[the other page](../index.md)", counting]
reading: 20
outcomes: [add]
```

Text with 2 < 3, a *word*, a star \*, `code` and {term}`entropy`.

```{code-cell} python3
:tags: [hide-input]
1 + 1
```

$$
\E[x] = \KL(p \,\|\, q)
$$ (eq-a)

By {eq}`eq-a`, as {cite:t}`shannon` says in {doc}`../index`, section {ref}`the-top`.

```{math}
:label: eq-b
x = 1
```

```{code-cell} python3
:tags: [remove-cell]
hidden = 3
```

```{figure} picture.png
:name: fig-one
:alt: One red pixel on its own, with nothing around it.
The caption.
```

See {numref}`fig-one` and {eq}`eq-b`, {prf:ref}`thm-one` and {download}`the file <picture.png>`.

```{literalinclude} ../code.py
:language: python
:pyobject: Thing.double
```

````{prf:theorem} Addition
:label: thm-one
It is $2$.
````

```{note}
Mind the gap.
```

```{admonition} Folded
:class: dropdown
Inside.
```

:::{dropdown} More
Below the *fold*.
:::

::::{tab-set}
:::{tab-item} One
First tab.
:::
:::{tab-item} Two
Second tab.
:::
::::

| name | $p(x \mid y)$ |
| --- | ---: |
| $\|a\|$ or b | 2 |

A term
: Its meaning.

1. first
2. second
   - nested

> Quoted.

```{erratum} E32 A title
Says *this*.
```

```{code-cell} python3
print("end")
```

```{quiz}
Which is **right**?

- [ ] one :: That is $1$.
- [x] two :: Both together.
```
"""

FILES = {
    "conf.py": CONFIG,
    "index.md": "# Home\n\n```{toctree}\nbook/chapter\nbook/plain\n```\n\n"
    "```{glossary}\nentropy\n  A number.\n```\n\n```{bibliography}\n```\n",
    "book/chapter.md": CHAPTER,
    "book/plain.md": "# A page without code\n\nText.\n",
    "code.py": "class Thing:\n    def double(self):\n        return 2\n",
    "requirements.txt": "numpy==2.0\nmyst-nb==1.2.3\n",
    "references.bib": "@book{shannon, author={Shannon, C.}, title={T}, year={1948}, "
    "publisher={P}}\n",
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def executed() -> nbformat.NotebookNode:
    """What tools/execute.py would have left for the chapter."""
    glue = new_output("display_data", data={"application/papermill.record/text/plain": "3"})
    two = new_output("execute_result", data={"text/plain": "2"}, execution_count=1)
    hide = {"tags": ["hide-input"]}
    return new_notebook(
        cells=[
            new_markdown_cell("# A chapter"),
            new_code_cell("1 + 1", outputs=[glue, two], execution_count=1, metadata=hide),
            new_markdown_cell("text"),
            new_code_cell("hidden = 3", execution_count=2, metadata={"tags": ["remove-cell"]}),
            new_markdown_cell("text"),
            new_code_cell('print("end")', execution_count=3),
            new_markdown_cell("text"),
        ],
        metadata={"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built folder, its page, its notebook, and the notebook's text without code."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "book" / "picture.png").write_bytes(PIXEL)
    store = folder / "_build" / "executed" / "chapter.ipynb"
    store.parent.mkdir(parents=True)
    store.write_text(nbformat.writes(executed()), encoding="utf-8")
    html = folder / "_build" / "html"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", folder, html],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(html / "_sources" / "book" / "chapter.ipynb", as_version=4)
    page = BeautifulSoup((html / "book" / "chapter.html").read_text("utf-8"), "html.parser")
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return {"html": html, "page": page, "notebook": notebook, "text": text}


def test_cells_are_those_that_were_executed_in_their_order(site):
    notebook = site["notebook"]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code[1:]] == ["1 + 1", "hidden = 3", 'print("end")']
    assert code[0].source.startswith(course_colab.COMMENT)
    assert notebook.cells[1] is code[0]
    assert code[1].metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert [output.data for output in code[1].outputs] == [{"text/plain": "2"}]
    assert notebook.metadata.kernelspec.name == "python3"


def test_text_stands_between_the_cells_it_belongs_to(site):
    kinds = [cell.cell_type[0] for cell in site["notebook"].cells]
    assert "".join(kinds) == "mccmccm"
    assert "\\mathbb{E}[x]" in site["notebook"].cells[3].source
    assert site["notebook"].cells[-1].source.startswith("**Question 1.** Which")


def shown_number(site, anchor: str) -> str:
    return re.search(r"[\d.]+", site["page"].find(id=anchor).select_one(".eqno").get_text())[0]


def test_formulas_carry_the_numbers_of_the_page_and_no_macros(site):
    first, second = (shown_number(site, f"equation-eq-{name}") for name in "ab")
    text = site["text"]
    macros = f"$$\n\\mathbb{{E}}[x] = \\operatorname{{KL}}(p \\,\\|\\, q) \\tag{{{first}}}\n$$"
    assert macros in text
    assert f"$$\nx = 1 \\tag{{{second}}}\n$$" in text
    assert first != second
    assert f"By ({first}), as " in text
    assert f"and ({second}), " in text


def test_references_say_what_the_page_says_and_lead_to_the_published_one(site):
    root = "https://someone.github.io/lessons"
    text = site["text"]
    assert f"[entropy]({root}/index.html#term-entropy)" in text
    assert f"in [Home]({root}/index.html), section [A chapter]({root}/book/chapter.html#" in text
    assert re.search(rf"Shannon \[\[\w+\]\({root}/index.html#\w+\)\]", text)
    figure = site["page"].select_one("figcaption .caption-number").get_text(strip=True)
    assert f"See [{figure}]({root}/book/chapter.html#fig-one)" in text
    assert f"*{figure} The caption.*" in text
    theorem = site["page"].select_one(".theorem .caption-number").get_text(strip=True)
    assert f"[{theorem}]({root}/book/chapter.html#thm-one)" in text
    assert f"> **{theorem} (Addition)**\n>\n> It is $2$." in text
    file = re.search(rf"\[`the file`\]\({root}/(_downloads/\w+/picture.png)\)", text)
    assert (site["html"] / file[1]).is_file()


def test_boxes_folds_and_tabs_become_plain_markdown(site):
    text = site["text"]
    for expected in (
        "> **Note**\n>\n> Mind the gap.",
        "<details>\n<summary>Folded</summary>\n\nInside.\n\n</details>",
        "<details>\n<summary>More</summary>\n\nBelow the *fold*.\n\n</details>",
        "**One**\n\nFirst tab.\n\n**Two**\n\nSecond tab.",
        "> **Erratum E32: A title**\n>\n> Says *this*.",
        "- **A term**: Its meaning.",
        "1. first\n2. second\n\n   - nested",
        "> Quoted.",
        "```python\ndef double(self):\n    return 2\n```",
        "> - **Question**: Why is $1 + 1 = 2$?",
        "Text with 2 \\< 3, a *word*, a star \\*, `code` and",
    ):
        assert expected in text


def test_tables_survive_bars_in_formulas(site):
    table = site["text"].split("| name |")[1].split("\n\n")[0].splitlines()
    assert table == [" $p(x \\mid y)$ |", "| --- | ---: |", "| $\\vert a\\vert$ or b | 2 |"]


def test_a_picture_travels_within_the_notebook(site):
    found = re.search(r"!\[One red pixel[^\]]*\]\(data:image/png;base64,(\S+)\)", site["text"])
    assert base64.b64decode(found[1]) == PIXEL


def part(name: str, *children: nodes.Node | str, **more) -> nodes.Element:
    """A node of the knowledge checks, known to the converter by the name of its class only."""
    base = nodes.TextElement if children and isinstance(children[0], str) else nodes.Element
    texts = [nodes.Text(child) if isinstance(child, str) else child for child in children]
    return type(name, (base,), {})("", *([""] * (base is nodes.TextElement)), *texts, **more)


def check(kind: str, answers: list[str], remarks: list[tuple[str, str]], **more) -> list[str]:
    """A knowledge check of the given kind, converted."""
    solution = [
        part("quiz_remark", part("quiz_label", label), part("quiz_why", nodes.paragraph("", why)))
        for label, why in remarks
    ]
    box = part(
        "quiz",
        part("quiz_question", nodes.paragraph("", "Which?"), nodes.paragraph("", "Think.")),
        part("quiz_answers", *(part("quiz_answer", text) for text in answers), **more),
        part("quiz_solution", *solution),
        kind=kind,
        number=3,
    )
    writer = Writer(link=lambda node: None, picture=lambda uri: None)
    return course_notebook.quiz_blocks(writer, box)


def test_a_choice_keeps_its_answers_folded():
    shown = check("one", ["a", "b"], [("Right: a", "Yes."), ("Not this one: b", "No.")])
    assert shown[:3] == ["**Question 3.** Which?", "Think.", "- a\n- b"]
    assert shown[3].startswith("<details>\n<summary>Answers</summary>")
    assert "- **Right: a**\n\n  Yes.\n- **Not this one: b**\n\n  No." in shown[3]


def test_a_number_asks_for_its_units_and_an_order_is_numbered():
    number = check("number", [], [("Right: 3 nats", "So.")], units=[("nats", 1.0), ("bits", 0.7)])
    assert number[2] == "Answer with a number in nats or bits."
    order = check("order", ["last", "first"], [("first", "1"), ("last", "2")])
    assert order[2:4] == ["Put these in the right order:", "- last\n- first"]
    assert "1. **first**\n\n   1\n2. **last**\n\n   2" in order[4]


def test_a_question_of_another_form_shows_its_first_block_and_folds_the_rest():
    writer = Writer(link=lambda node: None, picture=lambda uri: None)
    box = part("quiz", nodes.paragraph("", "How many?"), nodes.paragraph("", "31."))
    assert course_notebook.quiz_blocks(writer, box) == [
        "**Question.** How many?",
        "<details>\n<summary>Answers</summary>\n\n31.\n\n</details>",
    ]


def test_nothing_of_our_markup_is_left(site):
    text = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", site["text"], flags=re.S)
    assert not re.search(r"\{[\w:.-]+\}|^\([\w.-]+\)=|^:{3,}|\0", text, re.MULTILINE)


def addresses(page: BeautifulSoup) -> dict[str, str]:
    links = page.select(".article-header-buttons a[href], .header-article a[href]")
    return {link.get_text(" ", strip=True): link["href"] for link in links}


def test_buttons_lead_to_the_notebook_and_follow_from_the_repository(site):
    found = addresses(site["page"])
    assert found["Colab"] == (
        "https://colab.research.google.com/github/Someone/lessons/blob/gh-pages/"
        "_sources/book/chapter.ipynb"
    )
    assert found["Binder"] == (
        "https://mybinder.org/v2/gh/Someone/lessons/main?urlpath=lab/tree/book/chapter.md"
    )
    for label in ("Notebook", "Source"):
        assert (site["html"] / "book" / found[label]).resolve().is_file()


def test_a_page_without_code_offers_no_notebook(site):
    page = BeautifulSoup((site["html"] / "book/plain.html").read_text("utf-8"), "html.parser")
    assert "Source" in addresses(page)
    assert not {"Colab", "Binder", "Notebook"} & set(addresses(page))
    assert not (site["html"] / "_sources" / "book" / "plain.ipynb").exists()


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/Someone/lessons", "https://someone.github.io/lessons/"),
        ("https://github.com/someone/lessons.git", "https://someone.github.io/lessons/"),
        ("https://github.com/someone/someone.github.io/", "https://someone.github.io/"),
    ],
)
def test_the_site_is_where_github_publishes_it(repository, address):
    assert course_launch.site_address(repository) == address


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, []),
        ({"COURSE_SOURCE": "file:///x"}, []),
        (
            {"COLAB_RELEASE_TAG": "release"},
            ["course-utils @ git+https://g.org/a/b@main", "myst-nb==1.2.3"],
        ),
        (
            {"COLAB_RELEASE_TAG": "release", "COURSE_SOURCE": "file:///x"},
            ["course-utils @ file:///x", "myst-nb==1.2.3"],
        ),
    ],
)
def test_the_package_is_installed_in_colab_only(environment, told, monkeypatch):
    for name in ("COLAB_RELEASE_TAG", "COURSE_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    needs = course_colab.needed_beside(["from myst_nb import glue"], FILES["requirements.txt"])
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    exec(course_colab.install_cell("https://g.org/a/b.git", "main", needs), {})
    start = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert calls == ([[*start, *told]] if told else [])


def test_what_a_chapter_does_not_import_is_not_installed():
    assert course_colab.needed_beside(["import numpy"], FILES["requirements.txt"]) == []
