"""Figures show the numbers they are given, and tables show no number that is not there."""

import io
import math
from dataclasses import dataclass
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from course_utils import plotting
from course_utils.arguments import ArgumentError


@pytest.fixture(autouse=True)
def _style():
    mpl.use("agg")
    with mpl.rc_context():
        plotting.use_style()
        yield
    plt.close("all")


def estimate(value, standard_error):
    return SimpleNamespace(value=value, standard_error=standard_error)


def test_the_same_figure_gives_the_same_bytes():
    files = []
    for _ in range(2):
        ax = plotting.bars(["a", "b"], {"p": [0.25, 0.75]})
        files.append(io.BytesIO())
        ax.figure.savefig(files[-1], format="svg", metadata={"Date": None})
    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize("titles", [None, list("abcde")])
def test_image_grid_puts_every_pixel_in_its_tile(titles):
    images = torch.arange(5 * 2 * 3).reshape(5, 2, 3)
    ax = plotting.image_grid(images, columns=3, titles=titles)
    (picture,) = ax.images
    canvas = np.ma.filled(picture.get_array(), np.nan)
    assert np.isfinite(canvas).sum() == images.numel()
    rows, columns = np.where(canvas == images[:, 0, 0].numpy()[:, None, None])[1:]
    assert len(set(rows[:3])) == 1
    assert rows[3] > rows[0] + 1
    assert (columns[:3] < np.roll(columns[:3], -1))[:2].all()
    assert columns[3:].tolist() == columns[:2].tolist()
    for image, top, left in zip(images, rows, columns, strict=True):
        tile = canvas[top : top + 2, left : left + 3]
        np.testing.assert_array_equal(tile, image.numpy())
    if titles:
        places = {text.get_text(): text.get_position() for text in ax.texts}
        assert list(places) == titles
        assert places["d"][0] == columns[3] + 1
        assert rows[0] < places["d"][1] < rows[3]


def test_image_grid_keeps_the_range_it_is_given():
    ax = plotting.image_grid(torch.rand(2, 4, 4), low=0, high=16)
    assert ax.images[0].get_clim() == (0, 16)


def test_heatmap_has_the_first_row_on_top():
    matrix = torch.tensor([[0.1, 0.9], [0.7, 0.3]])
    ax = plotting.heatmap(matrix, rows="from", columns="to", row_labels="ab", unit="probability")
    np.testing.assert_allclose(ax.images[0].get_array(), matrix.numpy())
    lower, upper = ax.get_ylim()
    assert lower > upper
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("from", "to")
    assert "probability" in {other.get_ylabel() for other in ax.figure.axes}


def test_bars_stand_beside_each_other_in_order():
    ax = plotting.bars(["x", "y"], {"model": torch.tensor([1.0, 2.0]), "truth": [3.0, 4.0]})
    model, truth = ax.containers
    assert [bar.get_height() for bar in model] == [1, 2]
    assert [bar.get_height() for bar in truth] == [3, 4]
    for place, (left, right) in enumerate(zip(model, truth, strict=True)):
        assert left.get_center()[0] < place < right.get_center()[0]
        assert left.get_x() + left.get_width() < right.get_x()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["model", "truth"]
    assert plotting.bars(["x"], {"only": [1.0]}).get_legend() is None


def test_learning_curve_marks_the_best_step_and_the_floor():
    result = SimpleNamespace(
        losses=[3.0, 2.0, 1.5, 1.2], validation=[(2, 2.1), (4, 2.5)], best_step=2
    )
    ax = plotting.learning_curve(result, floor=1.0)
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["training batch"].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(lines["validation"].get_ydata(), [2.1, 2.5])
    assert lines["best, step 2"].get_xydata().tolist() == [[2, 2.1]]
    assert list(lines["the world's entropy"].get_ydata()) == [1.0, 1.0]


def test_gap_is_model_minus_truth():
    shown = plotting.gap_table(
        [
            ("nats", 1.23456, 1.0),
            ("below", 0.5, torch.tensor(0.75)),
            ("sum", 1 + 1e-15, 1.0),
            ("tiny", 1.00006, 1.0),
        ]
    )
    assert shown.header == ("quantity", "model", "truth", "gap")
    assert shown.rows == (
        ("nats", "1.235", "1.000", "+0.23"),
        ("below", "0.5000", "0.7500", "−0.25"),
        ("sum", "1.000", "1.000", "< 10⁻¹²"),
        ("tiny", "1.000", "1.000", "+6.0×10⁻⁵"),
    )


def test_standard_errors_add_in_squares():
    shown = plotting.gap_table([("nats", estimate(2.0, 0.03), estimate(1.5, 0.04))])
    assert shown.rows == (("nats", "2.000 ± 0.030", "1.500 ± 0.040", "+0.50 ± 0.050"),)


def test_gaps_that_are_no_numbers_say_so():
    shown = plotting.gap_table([("unseen", math.inf, 1.0), ("broken", math.nan, 1.0)])
    assert [row[-1] for row in shown.rows] == ["+inf", "nan"]


def test_table_formats_cells_by_kind():
    shown = plotting.table(
        ("what", "value"),
        [
            ("text", "exact"),
            ("count", 1797),
            ("nothing", None),
            ("number", 12.34567),
            ("small", -2.5e-7),
            ("large", 3.21e9),
            ("zero", 0.0),
        ],
        digits=3,
    )
    assert [value for _, value in shown.rows] == [
        "exact",
        "1797",
        "–",
        "12.3",
        "−2.50×10⁻⁷",
        "3.21×10⁹",
        "0.000",
    ]


def test_table_names_its_rows_and_columns_for_screen_readers():
    page = BeautifulSoup(plotting.table(("a", "b"), [("x < y", 1)])._repr_html_(), "html.parser")
    assert [cell.get_text() for cell in page.select("thead th[scope=col]")] == ["a", "b"]
    assert [cell.get_text() for cell in page.select("tbody th[scope=row]")] == ["x < y"]
    assert [cell.get_text() for cell in page("td")] == ["1"]


def test_a_column_without_a_title_is_no_header():
    page = BeautifulSoup(plotting.table(("", "n"), [("a", 1)])._repr_html_(), "html.parser")
    assert [cell.get_text() for cell in page.select("thead th")] == ["n"]
    assert len(page.select("thead td")) == 1


def test_columns_of_words_begin_at_one_edge_and_numbers_end_at_one():
    rows = [("a", "one", 1, "1 of 2", None), ("b", "three", 12.5, "all", "yes")]
    made = plotting.table(("", "word", "n", "both", "late"), rows)
    page = BeautifulSoup(made._repr_html_(), "html.parser")
    for line in (page.thead("th"), *(row("td") for row in page.tbody("tr"))):
        assert ["left" in cell.get("style", "") for cell in line] == [True, False, False, True]
    assert repr(made).splitlines()[1:] == [
        "a | one   |     1 | 1 of 2 | –",
        "b | three | 12.50 |    all | yes",
    ]
    assert (
        repr(plotting.table(("K", "loss"), [(2, 10), (16, 9)])) == "K  | loss\n2  |   10\n16 |    9"
    )


def test_table_as_text_is_aligned():
    assert repr(plotting.table(("what", "n"), [("a", 5), ("long", 12345)])) == (
        "what |     n\na    |     5\nlong | 12345"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plotting.image_grid([]), "images: expected at least one image, got none"),
        (
            lambda: plotting.image_grid([torch.zeros(2, 2), torch.zeros(3, 2)]),
            "images: expected one size, got [(2, 2), (3, 2)]",
        ),
        (
            lambda: plotting.image_grid(torch.zeros(2, 2, 2), titles=["one"]),
            "titles: expected 2, one per image, got 1",
        ),
        (
            lambda: plotting.image_grid(torch.zeros(2, 2, 2), columns=0),
            "columns: expected a whole number >= 1, got 0",
        ),
        (
            lambda: plotting.bars(["a", "b"], {"p": [1.0]}),
            "groups['p']: expected 2 heights, got shape (1,)",
        ),
        (
            lambda: plotting.table(("a", "b"), [("x",)]),
            "rows: expected 2 cells in each, got ('x',)",
        ),
    ],
)
def test_wrong_arguments_get_one_clear_line(as_user, call, message):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message


@dataclass
class ComparedRow:
    model: str
    world: str
    value: float | None
    mark: str = "estimate"
    standard_error: float | None = 0.1
    floor: float | None = 0.5
    metric: str = "gap"
    unit: str = "nats"


def test_compared_draws_values_errors_floor_and_says_the_rest():
    rows = [
        ComparedRow("truth", "moons", 0.5),
        ComparedRow("flow", "moons", 2.0, standard_error=0.25),
        ComparedRow("vae", "moons", 3.0, mark="bound", standard_error=None),
        ComparedRow("gan", "moons", None, mark="absent"),
        ComparedRow("broken", "moons", None, mark="failed"),
        ComparedRow("collapsed", "moons", math.inf),
        ComparedRow("flow", "rings", 1.0, floor=None),
    ]
    figure = plotting.compared(rows, "gap")
    moons, rings = figure.axes
    assert [ax.get_title(loc="left") for ax in (moons, rings)] == ["moons", "rings"]
    names = [tick.get_text() for tick in moons.get_yticklabels()]
    assert names == ["truth", "flow", "vae", "gan", "broken", "collapsed"]
    assert moons.get_xlabel() == "gap (nats)"
    dots = {
        float(c[0].get_ydata()[0]): (float(c[0].get_xdata()[0]), c[0].get_mfc())
        for c in moons.containers
    }
    assert dots == {
        0.0: (0.5, plotting.BLUE),
        1.0: (2.0, plotting.BLUE),
        2.0: (3.0, "white"),
    }
    ends = moons.containers[1][1]
    assert sorted(float(cap.get_xdata()[0]) for cap in ends) == [1.5, 2.5]
    said = {text.get_position()[1]: text.get_text() for text in moons.texts}
    assert said == {3: "absent", 4: "failed", 5: "∞"}
    floors = [
        line
        for line in moons.lines
        if len(set(line.get_xdata())) == 1 and list(line.get_ydata()) == [0, 1]
    ]
    assert [line.get_xdata()[0] for line in floors] == [0.5]
    plt.close(figure)


def test_compared_knows_its_metrics():
    with pytest.raises(ArgumentError) as error:
        plotting.compared([ComparedRow("truth", "moons", 0.5)], "distance")
    assert str(error.value) == "metric: expected one of gap, got 'distance'"
