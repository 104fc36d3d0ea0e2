"""Figures a reader can move, in a live notebook and on a page that has no kernel.

All frames are drawn beforehand. The result is one self-contained piece of HTML: the frames as
lossless images, a slider, a play button, and a few lines of script. Nothing is loaded from
elsewhere, so the same object works in JupyterLab, in Colab, on the published page and offline.

    values -> draw(value) -> image -> one <figure> with a slider
"""

import base64
import hashlib
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_utils.arguments import ArgumentError, check_int

_CSS_PIXELS_PER_INCH = 96

_BUTTON = (
    '<button type="button" class="course-frames__{part}" aria-label="{says}">'
    '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="{path}"/></svg></button>'
)
_BUTTONS = "".join(
    _BUTTON.format(part=part, says=says, path=path)
    for part, says, path in (
        ("back", "Previous frame", "M15 3v14L6 10zM4 3h2v14H4z"),
        ("play", "Play", "M5 3v14l12-7z"),
        ("forward", "Next frame", "M5 3v14l9-7zM14 3h2v14h-2z"),
    )
)


@dataclass(frozen=True)
class Frames:
    """A finished figure with a slider; a notebook displays it, ``html`` is all there is to it.

    Attributes:
        name: The figure's name, as given to :func:`frames`.
        num_frames: How many frames the slider runs through.
        html: One ``<figure>`` element with its images, style and script inside.
    """

    name: str
    num_frames: int
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Frames({self.name!r}, {self.num_frames} frames)"


def frames(
    draw: Callable[[Any], Figure],
    values: Sequence[Any],
    *,
    name: str,
    alt: Callable[[Any], str],
    label: str | None = None,
    start: int = 0,
    interval_ms: int = 600,
    loop: bool = False,
    autoplay: bool = False,
    dpi: int = 144,
) -> Frames:
    """Draw one frame per value and put them behind a slider with play and step buttons.

    Make it the last expression of a cell. In a live notebook the object works as it is; it does
    not ask the kernel again, so what moves on the published page is what moved for the author.

    Args:
        draw: Makes the frame of one value. Every frame has to have the same size; the figures
            are closed here.
        values: What the slider runs through. Numbers are shown with four significant digits,
            anything else as ``str(value)``.
        name: Short name of the figure, lower-case letters, digits and hyphens.
        alt: What one should see in the frame of a value; read out when a reader steps to it.
        label: What the slider changes, with its unit. Defaults to ``name``.
        start: Index of the frame shown first, and the only one without a script or in print.
        interval_ms: Time between frames while playing. Readers who ask their system for
            reduced motion get at least 1500.
        loop: Start over after the last frame instead of stopping there.
        autoplay: Begin to play when the figure scrolls into view, except with reduced motion.
        dpi: Dots per inch of the stored frames; they are displayed at 96 per inch, so 144 looks
            sharp on most screens.

    Returns:
        A displayable object. Equal arguments give equal bytes.

    Raises:
        ArgumentError: No values, a bad name, an empty alternative text, something other than a
            figure from ``draw``, or frames of different sizes.
    """
    if len(values) == 0:
        raise ArgumentError("values: expected at least one value, got none")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ArgumentError(f"name: expected lower-case letters, digits and hyphens, got {name!r}")
    check_int("start", start, low=0, high=len(values) - 1)
    check_int("interval_ms", interval_ms, low=1)
    check_int("dpi", dpi, low=1)
    texts = [_alternative_text(alt, value) for value in values]
    pictures = [_picture(draw(value), dpi) for value in values]
    _check_sizes(pictures, values)
    images = "".join(
        _image_tag(picture, dpi, text, _shown(value), visible=index == start)
        for index, (picture, text, value) in enumerate(zip(pictures, texts, values, strict=True))
    )
    flags = f' data-interval="{interval_ms}"' + " data-loop" * loop + " data-autoplay" * autoplay
    controls = _controls(label or name, len(values), start, _shown(values[start]))
    return Frames(name, len(values), _figure(name, flags, images, controls))


def _alternative_text(alt: Callable[[Any], str], value: Any) -> str:
    text = alt(value)
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError(f"alt: expected a sentence for the value {value!r}, got {text!r}")
    return text


def _picture(figure: Any, dpi: int) -> Image.Image:
    if not isinstance(figure, Figure):
        raise ArgumentError(f"draw: expected a matplotlib Figure, got {type(figure).__name__}")
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return picture


def _check_sizes(pictures: list[Image.Image], values: Sequence[Any]) -> None:
    wanted = pictures[0].size
    for picture, value in zip(pictures, values, strict=True):
        if picture.size != wanted:
            raise ArgumentError(
                f"draw: expected every frame to be {wanted[0]} by {wanted[1]} pixels, "
                f"got {picture.size[0]} by {picture.size[1]} for the value {value!r}"
            )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _image_tag(picture: Image.Image, dpi: int, alt: str, shown: str, *, visible: bool) -> str:
    stored = io.BytesIO()
    picture.save(stored, format="WEBP", lossless=True, quality=70, method=4)
    data = base64.b64encode(stored.getvalue()).decode("ascii")
    width, height = (round(side * _CSS_PIXELS_PER_INCH / dpi) for side in picture.size)
    return (
        f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}"'
        f' alt="{html.escape(alt)}" data-value="{html.escape(shown)}" decoding="sync"'
        f"{'' if visible else ' hidden'}>"
    )


def _controls(label: str, num_frames: int, start: int, shown: str) -> str:
    shown = html.escape(shown)
    return (
        f'<div class="course-frames__controls" hidden>{_BUTTONS}'
        f'<label class="course-frames__slider"><span>{html.escape(label)}</span>'
        f'<span class="course-frames__value" aria-hidden="true">{shown}</span>'
        f'<input type="range" min="0" max="{num_frames - 1}" step="1" value="{start}"'
        f' aria-valuetext="{shown}" autocomplete="off"></label></div>'
        '<p class="course-frames__said" aria-live="polite"></p>'
    )


def _figure(name: str, flags: str, images: str, controls: str) -> str:
    style, script = (_asset(f"frames.{kind}") for kind in ("css", "js"))
    content = f'<div class="course-frames__stage">{images}</div>{controls}'
    key = f"{name}-{hashlib.sha256((flags + content).encode()).hexdigest()[:10]}"
    return (
        f'<figure class="course-frames" id="frames-{key}" data-frames="{key}"{flags}>'
        f'<style>{style}</style>{content}<script>{script}("{key}");</script></figure>'
    )


def _asset(name: str) -> str:
    return resources.files("course_utils").joinpath("_assets", name).read_text("utf-8").strip()
