"""The slider figure: what stands in the HTML, and that its pictures are the author's pictures."""

import base64
import io
import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from course_utils import interactive
from course_utils.arguments import ArgumentError
from course_utils.interactive import Slider, stored

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


def draw_pair(value, thickness):
    figure = draw(value)
    figure.axes[0].lines[0].set_linewidth(thickness)
    return figure


def make_pair(first=None, second=None, **changes):
    given = {"name": "pair", "alt": lambda v, w: f"A line of slope {v:g}, {w} points thick."}
    sliders = (
        first or Slider("slope", [0.5, 1.0], start=1),
        second or Slider("thickness", [1, 4, 9], unit="pt", start=2),
    )
    given |= {"dpi": 96} | changes
    return interactive.frames(given.pop("draw", draw_pair), *sliders, **given)


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
    slider = parse(make()).select_one("input")
    assert json.loads(slider["data-texts"]) == ["0.5", "1", "2", "0.3333"]


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


def test_two_sliders_move_over_every_pair_of_values_the_first_one_slowest():
    result = make_pair()
    page = parse(result)
    images = page("img")
    assert result.num_frames == len(images) == 6
    pairs = [(value, thickness) for value in (0.5, 1.0) for thickness in (1, 4, 9)]
    for image, pair in zip(images, pairs, strict=True):
        assert image["alt"] == f"A line of slope {pair[0]:g}, {pair[1]} points thick."
        stored_png = io.BytesIO()
        draw_pair(*pair).savefig(stored_png, format="png", dpi=96)
        expected = np.asarray(Image.open(stored_png).convert("RGB"))
        np.testing.assert_array_equal(pixels(image), expected)
    assert [i for i, image in enumerate(images) if not image.has_attr("hidden")] == [5]


def test_two_sliders_have_names_values_with_units_and_buttons_of_their_own():
    page = parse(make_pair())
    first, second = page("input")
    assert (first["max"], first["value"], first["aria-valuetext"]) == ("1", "1", "1")
    assert (second["max"], second["value"], second["aria-valuetext"]) == ("2", "2", "9 pt")
    assert json.loads(second["data-texts"]) == ["1 pt", "4 pt", "9 pt"]
    assert [button["aria-label"] for button in page("button")] == [
        *("Previous: slope", "Play: slope", "Next: slope"),
        *("Previous: thickness", "Play: thickness", "Next: thickness"),
    ]
    assert page.figure["aria-label"] == "Movable figure: slope and thickness"


def test_without_a_script_the_page_says_which_frame_stands_there():
    still = parse(make_pair()).select_one(".course-frames__still")
    assert not still.has_attr("hidden")
    assert still.get_text() == "slope 1, thickness 9 pt (one of 6 frames)"


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_values_may_be_any_sequence_of_numbers(kind):
    assert make(values=kind(VALUES[:3])).html == make(values=VALUES[:3]).html
    assert Slider("count", kind([1, 2])).texts == ["1", "2"]


def test_a_slider_over_words_and_a_slider_of_one_value():
    words = Slider("order", ["raster", "snake"])
    assert words.texts == ["raster", "snake"]
    assert parse(make(values=[1.0])).input["max"] == "0"


def test_frames_too_heavy_for_a_page_are_refused(monkeypatch):
    monkeypatch.setattr(stored, "MOST_BYTES", 1000)
    with pytest.raises(ArgumentError) as caught:
        make()
    message = str(caught.value)
    assert message.startswith("draw: expected frames of at most 1 kB together, got ")
    assert message.endswith("kB in 4 frames")


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
        ({"draw": 3}, "draw: expected a function of 1 parameter, got int"),
        (
            {"draw": draw_pair},
            "draw: expected a function of 1 parameter, got one of (value, thickness)",
        ),
        ({"alt": lambda: "words"}, "alt: expected a function of 1 parameter, got one of ()"),
        ({"label": " "}, "label: expected what the slider changes, got ' '"),
        ({"values": 3}, "values: expected a sequence, got int"),
        ({"dpi": 0}, "dpi: expected a whole number >= 1, got 0"),
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


@pytest.mark.parametrize(
    ("given", "changes", "message"),
    [
        ([], {}, "values: expected values or one or two sliders, got 0"),
        ([[1]] * 3, {}, "values: expected values or one or two sliders, got 3"),
        ([[1], [2]], {}, "values: expected a Slider for each of two parameters, got list"),
        ([Slider("a", [1])], {"label": "b"}, "label: expected it in the Slider, got 'b'"),
        ([Slider("a", [1])], {"start": 0}, "start: expected it in the Slider, got 0"),
        (
            [Slider("a", [1]), Slider("b", [2])],
            {},
            "alt: expected a function of 2 parameters, got one of (value)",
        ),
    ],
)
def test_wrong_sliders_get_one_clear_line(as_user, given, changes, message):
    with pytest.raises(ArgumentError) as caught:
        interactive.frames(draw, *given, name="line", alt=say, **changes)
    assert str(caught.value) == message


def test_a_frame_of_another_size_is_named_by_both_values():
    with pytest.raises(ArgumentError, match=r"got 384 by 144 for the values 1\.0, 1"):
        make_pair(draw=lambda v, w: draw(v, size=(1.0 if v == 0.5 else 4.0, 1.5)))
