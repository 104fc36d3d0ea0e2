"""The same call with a kernel behind it: who gets a live control, and what moving it does."""

import re
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from course_utils import interactive
from course_utils.arguments import ArgumentError
from course_utils.interactive import Slider
from run_chapter import KERNEL_ENVIRONMENT

DRAW = """
import matplotlib.pyplot as plt
from course_utils import interactive

def draw(slope):
    drawn.append(slope)
    figure, ax = plt.subplots(figsize=(2, 1.5))
    ax.plot([0, 1], [0, slope])
    return figure

def say(slope):
    return f"A line of slope {slope:.3f}."

drawn = []
"""
CALL = 'interactive.frames(draw, [0.5, 1.0, 2.0], name="line", alt=say)'
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(client, code, *, allow_stdin):
    """Execute code as a front end does, and return its result and what it printed."""
    result, printed = {}, []

    def keep(message):
        content = message["content"]
        if message["msg_type"] == "execute_result":
            result.update(content["data"])
        elif message["msg_type"] == "stream":
            printed.append(content["text"])
        assert message["msg_type"] != "error", content

    client.execute_interactive(code, allow_stdin=allow_stdin, output_hook=keep, timeout=120)
    return result, "".join(printed)


@pytest.fixture(scope="module")
def client():
    """A kernel in which neither variable is set, as on a reader's machine."""
    manager, client = start_new_kernel(kernel_name="python3")
    forget = "import os\nfor name in ('COURSE_FIGURES', 'CI'):\n    os.environ.pop(name, None)\n"
    run(client, forget + DRAW, allow_stdin=False)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    ("environment", "allow_stdin", "live"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"CI": "true"}, True, False),
        ({"COURSE_FIGURES": "stored"}, True, False),
        ({"COURSE_FIGURES": "live"}, False, True),
        ({"COURSE_FIGURES": "live", "CI": "true"}, False, True),
    ],
)
def test_who_gets_a_live_control(client, environment, allow_stdin, live):
    run(client, f"os.environ.update({environment})", allow_stdin=False)
    result, _ = run(client, CALL, allow_stdin=allow_stdin)
    forget = f"for name in {list(environment)}: del os.environ[name]"
    run(client, forget, allow_stdin=False)
    assert (WIDGET in result) == live
    assert ("course-frames" in result.get("text/html", "")) != live


def test_a_message_of_the_front_end_draws_a_value_that_no_frame_shows(client):
    run(client, f"figure = {CALL}", allow_stdin=True)
    where = "print(figure.children[1].children[1].model_id, figure.children[0].value)"
    _, before = run(client, where, allow_stdin=True)
    model = before.split()[0]
    assert 'alt="A line of slope 0.500."' in before
    data = {"method": "update", "state": {"value": 1.375}, "buffer_paths": []}
    message = client.session.msg("comm_msg", {"comm_id": model, "data": data})
    client.shell_channel.send(message)
    _, after = run(client, f"{where}; print(drawn[-1], plt.get_fignums())", allow_stdin=True)
    assert 'alt="A line of slope 1.375."' in after
    assert after.split()[-2:] == ["1.375", "[]"]
    picture = re.compile(r"base64,[A-Za-z0-9+/=]+")
    assert picture.search(after)[0] != picture.search(before)[0]


def test_two_executions_of_the_book_store_equal_frames(monkeypatch):
    for name, value in KERNEL_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    stored = []
    for _ in range(2):
        cells = [nbformat.v4.new_code_cell(DRAW), nbformat.v4.new_code_cell(CALL)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
        stored.append(notebook.cells[1].outputs[0].data)
    assert stored[0]["text/html"].count("<img ") == 3
    assert WIDGET not in stored[0]
    assert stored[0] == stored[1]


def test_without_ipywidgets_even_a_live_call_gives_frames():
    code = "import sys; sys.modules['ipywidgets'] = None\n"
    code += DRAW + f"print(repr({CALL[:-1]}, live=True)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "Frames('line', 3 frames)\n", done.stderr


# The control itself needs no kernel: what a front end would set is set here.


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("agg")
    yield
    plt.close("all")


def draw(*values):
    return plt.subplots(figsize=(2, 1.5))[0]


def words(*values):
    return f"A frame that shows {values!r}."


def control(*sliders, draw=draw, **changes):
    """A live control: its picture, and a (play, slider) pair for each parameter."""
    figure = interactive.frames(draw, *sliders, name="line", alt=words, live=True, **changes)
    stage, *rows = figure.children
    return stage, [row.children for row in rows]


def shown(stage):
    return re.search(r'alt="A frame that shows \((.*)\)\."', stage.value)[1].rstrip(",")


@pytest.mark.parametrize(
    ("values", "kind", "between", "seen"),
    [
        ([1, 2, 8], "IntSlider", 5, "5"),
        ([2.0, 1.5, 1.0], "FloatSlider", 1.3, "1.3"),
        ([10.0, 1.0, 0.1], "FloatLogSlider", 0.25, "0.25"),
        (["raster", "snake"], "SelectionSlider", 1, "&#x27;snake&#x27;"),
        ([True, False], "SelectionSlider", 1, "False"),
        ([0.5], "SelectionSlider", 0, "0.5"),
    ],
)
def test_the_kind_of_slider_follows_the_values(values, kind, between, seen):
    stage, [(_, slider)] = control(values)
    assert type(slider).__name__ == kind
    slider.value = between
    assert shown(stage) == seen


def test_a_slider_without_between_offers_the_listed_values_only():
    _, [(_, slider)] = control(Slider("level", [3.0, 2.0, 1.0], unit="nats", between=False))
    assert type(slider).__name__ == "SelectionSlider"
    assert [text for text, _ in slider.options] == ["3 nats", "2 nats", "1 nats"]
    assert slider.description == "level (nats)"


@pytest.mark.parametrize("values", [[0.7, 8.0, 0.013], [1, 4, 9], ["a", "b", "c"], [0.1, 0.2, 0.3]])
def test_play_walks_through_the_listed_values_in_their_order(values):
    stage, [(play, _)] = control(values)
    assert (play.min, play.max, play.value, play.interval) == (0, 2, 0, 600)
    seen = [shown(stage)]
    for place in (1, 2):
        play.value = place
        seen.append(shown(stage))
    assert [re.sub("&#x27;", "", each) for each in seen] == [str(value) for value in values]


def test_two_parameters_start_where_they_should_and_move_apart():
    first, second = Slider("a", [1, 2, 3], start=2), Slider("b", [0.5, 1.0], start=1)
    stage, [(_, a), (_, b)] = control(first, second)
    assert shown(stage) == "3, 1.0"
    a.value = 1
    assert shown(stage) == "1, 1.0"
    b.value = 0.75
    assert shown(stage) == "1, 0.75"


def test_the_picture_keeps_its_place():
    stage, [(_, slider)] = control([1, 2, 3], dpi=144)
    for value in (1, 3):
        slider.value = value
        assert 'width="192" height="144"' in stage.value


def test_an_error_while_moving_is_shown_where_the_picture_was():
    def fails(value):
        if value == 2:
            raise KeyError("<b>")
        return draw(value)

    stage, [(_, slider)] = control([1, 3], draw=fails)
    slider.value = 2
    assert stage.value == '<p role="alert">2: KeyError: &#x27;&lt;b&gt;&#x27;</p>'
    slider.value = 3
    assert shown(stage) == "3"


def test_a_slow_figure_is_redrawn_when_the_slider_is_let_go(monkeypatch):
    from course_utils.interactive import live

    for limit, follows in ((1e9, True), (0.0, False)):
        monkeypatch.setattr(live, "_FOLLOWS_THE_HAND_SECONDS", limit)
        _, [(_, slider)] = control([1, 2, 3])
        assert slider.continuous_update == follows


def test_a_wrong_environment_gets_one_clear_line(monkeypatch):
    monkeypatch.setenv("COURSE_FIGURES", "yes")
    with pytest.raises(ArgumentError) as caught:
        interactive.frames(draw, [1], name="line", alt=words)
    assert str(caught.value) == "COURSE_FIGURES: expected one of 'live', 'stored', got 'yes'"


def test_outside_a_kernel_there_is_nobody_to_ask(monkeypatch):
    monkeypatch.delenv("COURSE_FIGURES", raising=False)
    monkeypatch.delenv("CI", raising=False)
    assert isinstance(interactive.frames(draw, [1], name="line", alt=words), interactive.Frames)
