"""Frames of movable figures become files beside the pages; everything else stays as it was."""

import base64
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from course_utils import interactive

EXTENSION = Path(__file__).resolve().parents[2] / "book" / "_ext"
CONFIG = f"""
import sys
sys.path.insert(0, {str(EXTENSION)!r})
extensions = ["myst_nb", "course_frames"]
nb_execution_mode = "off"
html_theme = "basic"
"""
OTHER = '<img src="data:image/webp;base64,UklGRgA=" alt="A picture that is no frame.">'


def figure(name, values):
    def draw(value):
        drawn, ax = plt.subplots(figsize=(2, 1))
        ax.plot([0, value])
        return drawn

    mpl.use("agg")
    say = "A line that ends at {}.".format
    return interactive.frames(draw, values, name=name, alt=say, start=1, live=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two pages at different depths that share one frame, and a picture of another kind."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "conf.py").write_text(CONFIG)
    raw = "```{{raw}} html\n{}\n```\n".format
    first, second = figure("first", [1, 2, 3]), figure("second", [7, 3])
    toctree = "\n```{toctree}\nweek/page\n```\n"
    (folder / "index.md").write_text("# Book\n\n" + raw(first.html) + raw(OTHER) + toctree)
    (folder / "week").mkdir()
    (folder / "week" / "page.md").write_text("# Page\n\n" + raw(second.html))
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(folder), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html", {"index.html": first, "week/page.html": second}


def parse(text):
    return BeautifulSoup(text, "html.parser")


@pytest.mark.parametrize("name", ["index.html", "week/page.html"])
def test_each_frame_is_a_file_with_the_bytes_of_the_notebook(site, name):
    folder, figures = site
    stored = parse(figures[name].html)("img")
    shown = parse((folder / name).read_text("utf-8")).select("figure img")
    assert len(shown) == len(stored) > 1
    for before, after in zip(stored, shown, strict=True):
        file = (folder / name).parent / after["src"]
        assert before["src"] == "data:image/webp;base64," + encoded(file.read_bytes())
        assert after["loading"] == "lazy"
        for attribute in ("alt", "width", "height"):
            assert after[attribute] == before[attribute]
        assert after.has_attr("hidden") == before.has_attr("hidden")


def encoded(content):
    return base64.b64encode(content).decode("ascii")


def test_equal_frames_share_a_file(site):
    folder, _ = site
    assert len(list((folder / "_images").glob("*.webp"))) == 4


def test_script_and_style_stay_in_the_page_and_other_pictures_too(site):
    folder, figures = site
    page = parse((folder / "index.html").read_text("utf-8"))
    stored = parse(figures["index.html"].html)
    assert page.select_one("figure script").string == stored.script.string
    assert page.select_one("figure style").string == stored.style.string
    assert page.find("img", alt="A picture that is no frame.")["src"].startswith("data:")
