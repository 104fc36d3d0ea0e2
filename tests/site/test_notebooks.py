"""The published notebooks: plain Markdown with absolute links, and a run of one on its own."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
import yaml
from site_pages import soup

import store
from build import SITE
from chapters import ROOT, find_chapters

NAMES = [chapter.name for chapter in find_chapters()]
ALONE = "worlds"
"""The chapter that is run on its own; what the others print is checked by tools/validate.py."""

CODE = re.compile(r"(`{3,}).*?\n\1$|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
MARKUP = re.compile(r"\{[\w:.-]+\}|^[`:]{3,}|^\([\w.-]+\)=$|^:[\w-]+:|\$\$|\0", re.MULTILINE)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


@cache
def published(name: str) -> nbformat.NotebookNode:
    """A chapter's notebook as readers download it."""
    return nbformat.read(SITE / "_sources" / "book" / f"{name}.ipynb", as_version=4)


def text(name: str) -> str:
    """All Markdown of a published notebook."""
    cells = published(name).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_the_executed_cells_with_their_outputs(name):
    nbformat.validate(published(name))
    executed = nbformat.read(store.executed_path(name), as_version=4)
    code, own = (
        [c for c in nb.cells if c.cell_type == "code"] for nb in (published(name), executed)
    )
    assert [cell.source for cell in code[1:]] == [cell.source for cell in own]
    assert any(cell.outputs for cell in code)
    hidden = [cell.source for cell in code if cell.metadata.get("jupyter", {}).get("source_hidden")]
    tags = ("hide-input", "hide-cell")
    folded = [c.source for c in own if any(t in c.metadata.get("tags", []) for t in tags)]
    assert hidden[1:] == folded


@pytest.mark.parametrize("name", NAMES)
def test_its_text_is_plain_markdown(name):
    left = MARKUP.search(CODE.sub("", text(name)))
    assert left is None, left.string[max(0, left.start() - 60) : left.end() + 60]


@pytest.mark.parametrize("name", NAMES)
def test_its_links_are_absolute_and_lead_to_pages_that_exist(name):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    owner, repository = urlsplit(config["repository"]["url"]).path.strip("/").split("/")
    home = f"https://{owner}.github.io/{repository}/"
    links = LINK.findall(CODE.sub("`code`", text(name)))
    assert any(link.startswith(home) for link in links)
    for link in links:
        assert link.startswith(("https://", "http://", "mailto:", "data:image/")), link
        if link.startswith(home):
            path, _, anchor = link.removeprefix(home).partition("#")
            page = SITE / path
            assert page.is_file(), link
            assert not anchor or f'id="{anchor}"' in page.read_text(encoding="utf-8"), link


@pytest.mark.parametrize("name", NAMES)
def test_its_equations_have_the_numbers_of_the_page(name):
    shown = soup(SITE / "book" / f"{name}.html").select("article .eqno")
    numbers = [re.search(r"[\d.]+", tag.get_text())[0] for tag in shown]
    assert re.findall(r"\\tag\{(.+?)\}", text(name)) == numbers


ENVIRONMENT = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
last = nbformat.v4.new_code_cell("import course_utils; print(course_utils.__file__)")
notebook.cells.append(last)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
print(last.outputs[0]["text"])
"""


def test_a_chapter_opened_alone_in_colab_installs_the_package_and_runs(tmp_path):
    """An empty folder, a kernel that has everything but the package, and the install cell."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    site = next(bare.glob("lib/python*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "course_utils" not in entry.name and not entry.name.startswith("_virtualenv"):
            (site / entry.name).symlink_to(entry)
    package = tmp_path / "package"
    package.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, package)
    shutil.copytree(ROOT / "src" / "course_utils", package / "src" / "course_utils")
    desk = tmp_path / "desk"
    desk.mkdir()
    unset = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {
        "COLAB_RELEASE_TAG": "simulated",
        "COURSE_SOURCE": package.as_uri(),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads "no" twice: this turns isolation off
        "PIP_NO_INDEX": "1",
        "COURSE_PROGRESS": "0",
        "OMP_NUM_THREADS": "1",
    }
    notebook = SITE / "_sources" / "book" / f"{ALONE}.ipynb"
    done = subprocess.run(
        [bare / "bin" / "python", "-c", ENVIRONMENT, notebook],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert Path(done.stdout.strip().splitlines()[-1]).is_relative_to(bare)
