"""Figures a reader can move, in a live notebook and on a page that has no kernel.

A figure is a function of one or two parameters. One call of :func:`frames` serves both places:

    no kernel   every frame is drawn beforehand; one <figure> holds pictures, sliders and script
    live        an ipywidgets control; moving a slider calls ``draw`` again, between the frames too

Nothing is loaded from elsewhere in either case. Where the call runs decides which one it is, see
:func:`course_utils.interactive.live.is_wanted`.

    sliders    what a slider runs through and how its values are shown
    pictures   draw(value) -> a lossless picture with its words
    stored     all pictures -> one <figure>
    live       the same figure with a kernel behind it
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from course_utils.arguments import ArgumentError, check_int
from course_utils.interactive import live as live_control
from course_utils.interactive import stored
from course_utils.interactive.pictures import Painter
from course_utils.interactive.sliders import Slider, Values
from course_utils.interactive.stored import Frames

__all__ = ["Frames", "Slider", "frames"]


def frames(
    draw: Callable[..., Figure],
    *values: Values | Slider,
    name: str,
    alt: Callable[..., str],
    label: str | None = None,
    start: int | None = None,
    interval_ms: int = 600,
    loop: bool = False,
    autoplay: bool = False,
    dpi: int = 144,
    live: bool | None = None,
) -> Frames | live_control.VBox:
    """Put a figure of one or two parameters behind sliders with play and step buttons.

    Make it the last expression of a cell. One parameter is given by its values or a
    :class:`Slider`, two parameters by two sliders; every pair of their values is then one frame.

    Args:
        draw: Makes the frame of one value, or of one value of each slider. Every frame has to
            have the same size; the figures are closed here.
        *values: What the slider runs through, or one or two :class:`Slider`.
        name: Short name of the figure, lower-case letters, digits and hyphens.
        alt: What one should see in a frame, called like ``draw``; read out when a reader stops
            at the frame.
        label: What the slider changes, for plain values. Defaults to ``name``.
        start: Index of the value shown first, for plain values. A stored figure shows this frame
            without a script and in the printed book.
        interval_ms: Time between frames while playing. Readers who ask their system for
            reduced motion get at least 1500.
        loop: Start over after the last frame instead of stopping there.
        autoplay: Begin to play when the stored figure scrolls into view, except with reduced
            motion.
        dpi: Dots per inch of the frames; they are displayed at 96 per inch, so 144 looks sharp
            on most screens.
        live: Whether moving a slider asks the kernel. ``None`` decides by where the call runs.

    Returns:
        A displayable object: ``Frames``, where equal arguments give equal bytes, or in a live
        notebook an ``ipywidgets.VBox``. Without ipywidgets it is always ``Frames``.

    Raises:
        ArgumentError: No values or more than two sliders, a bad name, an empty alternative text,
            something other than a figure from ``draw``, frames of different sizes, or more bytes
            than a page may weigh.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ArgumentError(f"name: expected lower-case letters, digits and hyphens, got {name!r}")
    sliders = _sliders(values, name, label, start)
    for what, function in (("draw", draw), ("alt", alt)):
        _check_function(what, function, len(sliders))
    check_int("interval_ms", interval_ms, low=1)
    painter = Painter(draw, alt, check_int("dpi", dpi, low=1))
    if live_control.is_wanted(live):
        return live_control.control(painter, sliders, interval_ms=interval_ms, loop=loop)
    flags = f' data-interval="{interval_ms}"' + " data-loop" * loop + " data-autoplay" * autoplay
    return stored.figure(painter, sliders, name=name, flags=flags)


def _sliders(
    values: tuple[Any, ...], name: str, label: str | None, start: int | None
) -> tuple[Slider, ...]:
    if len(values) not in (1, 2):
        raise ArgumentError(f"values: expected values or one or two sliders, got {len(values)}")
    if len(values) == 1 and not isinstance(values[0], Slider):
        return (Slider(label if label is not None else name, values[0], start=start or 0),)
    for value in values:
        if not isinstance(value, Slider):
            raise ArgumentError(
                f"values: expected a Slider for each of two parameters, got {type(value).__name__}"
            )
    for what, given in (("label", label), ("start", start)):
        if given is not None:
            raise ArgumentError(f"{what}: expected it in the Slider, got {given!r}")
    return values


def _check_function(name: str, function: Any, num_parameters: int) -> None:
    expected = f"a function of {num_parameters} parameter{'s' * (num_parameters > 1)}"
    if not callable(function):
        raise ArgumentError(f"{name}: expected {expected}, got {type(function).__name__}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C do not tell theirs
        return
    try:
        signature.bind(*range(num_parameters))
    except TypeError:
        raise ArgumentError(f"{name}: expected {expected}, got one of {signature}") from None
