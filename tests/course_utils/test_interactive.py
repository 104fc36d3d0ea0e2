"""The slider figure: what stands in the HTML, and that its pictures are the author's pictures."""

import base64
import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from course_utils import interactive
from course_utils.arguments import ArgumentError

VALUES = (0.5, 1.0, 2.0, 1 / 3)


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("agg")
    yield
    plt.close("all")


def draw(value, size=(2.0, 1.5)):
    figure, ax = plt.subplots(figsize=size)
    ax.plot([0, 1], [0, value])
    ax.set_ylim(0, 2)
    return figure


def say(value):
    return f'A line of "slope" {value:.2f} & nothing <else>.'


def make(**changes):
    given = {"name": "slope", "alt": say, "label": "slope <m>", "dpi": 96} | changes
    return interactive.frames(given.pop("draw", draw), given.pop("values", VALUES), **given)


def parse(result):
    return BeautifulSoup(result.html, "html.parser")


def pixels(image):
    data = base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_one_figure_holds_everything_and_asks_for_nothing_from_elsewhere():
    page = parse(make())
    assert [tag.name for tag in page.find_all(recursive=False)] == ["figure"]
    assert not page.find_all(["link", "iframe"])
    assert not page.select("script[src]")
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page("img"))
    code = "".join(tag.get_text() for tag in page(["script", "style"]))
    for word in ("http:", "https:", "//cdn", "@import", "url(", "fetch(", "</script"):
        assert word not in code


def test_every_frame_has_its_own_words():
    images = parse(make())("img")
    assert [image["alt"] for image in images] == [say(value) for value in VALUES]
    assert [image["data-value"] for image in images] == ["0.5", "1", "2", "0.3333"]


@pytest.mark.parametrize("start", [0, 2])
def test_only_the_start_frame_shows_without_a_script(start):
    page = parse(make(start=start))
    shown = [i for i, image in enumerate(page("img")) if not image.has_attr("hidden")]
    assert shown == [start]
    assert page.select_one(".course-frames__controls").has_attr("hidden")
    slider = page.select_one("input[type=range]")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "3", str(start))
    assert slider["aria-valuetext"] == f"{VALUES[start]:g}"


def test_controls_have_names():
    page = parse(make())
    assert [b["aria-label"] for b in page("button")] == ["Previous frame", "Play", "Next frame"]
    label = page.select_one("label:has(input)")
    assert label.find("span").get_text() == "slope <m>"
    assert page.select_one("[aria-live=polite]").get_text() == ""


@pytest.mark.parametrize("dpi", [96, 144])
def test_pictures_are_lossless_and_keep_their_place(dpi):
    images = parse(make(dpi=dpi))("img")
    for image, value in zip(images, VALUES, strict=True):
        stored = io.BytesIO()
        draw(value).savefig(stored, format="png", dpi=dpi)
        expected = np.asarray(Image.open(stored).convert("RGB"))
        np.testing.assert_array_equal(pixels(image), expected)
        assert (image["width"], image["height"]) == ("192", "144")


def test_equal_arguments_give_equal_bytes_and_other_ones_another_key():
    first, again = make(), make()
    assert first.html == again.html
    keys = {
        parse(result).figure["data-frames"]
        for result in (first, make(name="other"), make(label="x"), make(start=1), make(loop=True))
    }
    assert len(keys) == 5
    assert parse(first).figure["id"] == "frames-" + parse(first).figure["data-frames"]


def test_the_script_finds_only_its_own_figure():
    page = parse(make())
    key = page.figure["data-frames"]
    assert page.script.get_text().rstrip().endswith(f')("{key}");')


def test_flags_reach_the_script():
    plain, moving = parse(make()).figure, parse(make(loop=True, autoplay=True)).figure
    assert plain["data-interval"] == "600"
    assert not plain.has_attr("data-loop")
    assert not plain.has_attr("data-autoplay")
    assert moving.has_attr("data-loop")
    assert moving.has_attr("data-autoplay")


def test_figures_are_closed_and_the_object_shows_itself():
    result = make()
    assert plt.get_fignums() == []
    assert result._repr_html_() == result.html
    assert repr(result) == "Frames('slope', 4 frames)"


def test_a_slider_of_thirty_simple_frames_stays_small():
    values = [i / 15 for i in range(1, 31)]
    result = make(values=values, draw=lambda v: draw(v, size=(6.4, 3.6)), dpi=144)
    assert len(result.html) < 500_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": []}, "values: expected at least one value, got none"),
        (
            {"name": "My figure"},
            "name: expected lower-case letters, digits and hyphens, got 'My figure'",
        ),
        ({"alt": lambda value: " "}, "alt: expected a sentence for the value 0.5, got ' '"),
        ({"draw": lambda value: None}, "draw: expected a matplotlib Figure, got NoneType"),
        ({"start": 4}, "start: expected a whole number >= 0 and <= 3, got 4"),
        ({"interval_ms": 0}, "interval_ms: expected a whole number >= 1, got 0"),
        (
            {"draw": lambda value: draw(value, size=(1 + value, 1))},
            "draw: expected every frame to be 144 by 96 pixels, got 192 by 96 for the value 1.0",
        ),
    ],
)
def test_wrong_arguments_get_one_clear_line(as_user, changes, message):
    with pytest.raises(ArgumentError) as caught:
        make(**changes)
    assert str(caught.value) == message
