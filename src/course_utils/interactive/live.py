"""The figure with a kernel behind it: moving a slider draws again, between the frames too.

Whether a call of ``frames`` gives this control is settled by, in this order,

1. its argument ``live``;
2. the environment variable ``COURSE_FIGURES``, ``live`` or ``stored``; the book's own executions
   set ``stored``, so that what they keep works where there is no kernel;
3. whether a person is likely to be there: the code runs in a Jupyter kernel whose front end can
   be asked for input. JupyterLab, Colab and Visual Studio Code say that theirs can; programs that
   execute a notebook (nbconvert, nbclient, papermill, nbval) say that theirs cannot.
"""

import html
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_utils.arguments import check_choice
from course_utils.interactive.pictures import QUICK, Painter
from course_utils.interactive.sliders import Slider

try:
    import ipywidgets as widgets
    from ipywidgets import VBox
except ImportError:  # then every figure is a stored one
    widgets = VBox = None

_FOLLOWS_THE_HAND_SECONDS = 0.25
"""A figure drawn within this time is redrawn while the slider moves, others when it is let go."""

_MANY_SCALES = 20.0
"""Positive values whose ends differ by more than this factor get a logarithmic slider."""

_STEPS = 100


def is_wanted(live: bool | None = None) -> bool:
    """Whether ``frames`` gives a live control: as asked, else as the environment says.

    Raises:
        ArgumentError: ``COURSE_FIGURES`` is set to something unknown.
    """
    if widgets is None:
        return False
    if live is not None:
        return live
    chosen = os.environ.get("COURSE_FIGURES")
    if chosen:
        return check_choice("COURSE_FIGURES", chosen, ("live", "stored")) == "live"
    return not os.environ.get("CI") and _someone_is_there()


def _someone_is_there() -> bool:
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    return kernel is not None and bool(getattr(kernel, "_allow_stdin", True))


@dataclass(frozen=True)
class _Dial:
    """One parameter: its widget, its present value, and the way to put it on a listed one."""

    widget: Any
    read: Callable[[], Any]
    move: Callable[[int], None]


def control(painter: Painter, sliders: tuple[Slider, ...], *, interval_ms: int, loop: bool) -> VBox:
    """Picture, and below it one row of play button and slider for each parameter.

    An error of ``draw`` or ``alt`` while a reader moves a slider is shown in place of the picture.

    Raises:
        ArgumentError: The first frame cannot be drawn.
    """
    begin = time.perf_counter()
    first = painter.paint(*(s.values[s.start] for s in sliders), effort=QUICK)
    follows = time.perf_counter() - begin < _FOLLOWS_THE_HAND_SECONDS
    stage = widgets.HTML(first.tag(_IMAGE_STYLE))
    dials = [_dial(slider, follows) for slider in sliders]

    def redraw(_: Any) -> None:
        stage.value = _shown(painter, tuple(dial.read() for dial in dials))

    rows = []
    for slider, dial in zip(sliders, dials, strict=True):
        dial.widget.observe(redraw, names="value")
        play = _play(slider, dial, interval_ms, loop)
        rows.append(widgets.HBox([play, dial.widget], layout={"max_width": "42rem"}))
    return VBox([stage, *rows])


_IMAGE_STYLE = ' style="max-width:100%;height:auto;background:#fff;border-radius:4px"'


def _shown(painter: Painter, values: tuple[Any, ...]) -> str:
    try:
        return painter.paint(*values, effort=QUICK).tag(_IMAGE_STYLE)
    except Exception as error:  # an author's function may raise anything; a callback hides it
        at = ", ".join(map(str, values))
        return f'<p role="alert">{html.escape(f"{at}: {type(error).__name__}: {error}")}</p>'


def _dial(slider: Slider, follows: bool) -> _Dial:
    common = {
        "description": f"{slider.label} ({slider.unit})" if slider.unit else slider.label,
        "continuous_update": follows,
        "style": {"description_width": "initial"},
        "layout": {"flex": "1 1 auto", "width": "auto"},
    }
    if not slider.is_continuous:
        places = [(text, place) for place, text in enumerate(slider.texts)]
        widget = widgets.SelectionSlider(options=places, value=slider.start, **common)
        move = _mover(widget, range(len(places)))
        return _Dial(widget, lambda: slider.values[widget.value], move)
    low, high = min(slider.values), max(slider.values)
    common["value"] = slider.values[slider.start]
    if slider.is_whole:
        widget = widgets.IntSlider(min=low, max=high, **common)
    elif low > 0 and high / low > _MANY_SCALES:
        ends = math.log10(low), math.log10(high)
        step, common["readout_format"] = (ends[1] - ends[0]) / _STEPS, ".4g"
        widget = widgets.FloatLogSlider(min=ends[0], max=ends[1], step=step, **common)
    else:
        step, common["readout_format"] = (high - low) / _STEPS, ".4g"
        widget = widgets.FloatSlider(min=low, max=high, step=step, **common)
    move = _mover(widget, slider.values)
    return _Dial(widget, lambda: _settled(widget.value, slider.values), move)


def _mover(widget: Any, values: Any) -> Callable[[int], None]:
    def move(index: int) -> None:
        widget.value = values[index]

    return move


def _settled(value: float, listed: tuple[float, ...]) -> float:
    """The value, or the listed one it differs from by rounding only."""
    return next((each for each in listed if math.isclose(each, value, rel_tol=1e-9)), value)


def _play(slider: Slider, dial: _Dial, interval_ms: int, loop: bool) -> Any:
    """Runs through the listed values in the author's order."""
    last = len(slider.values) - 1
    play = widgets.Play(min=0, max=last, value=slider.start, interval=interval_ms)
    if play.has_trait("repeat"):
        play.repeat = loop
    play.observe(lambda change: dial.move(change.new), names="value")
    return play
