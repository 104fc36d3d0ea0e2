"""All frames of a figure in one piece of HTML that needs no kernel and nothing from elsewhere.

The first slider varies slowest: frame ``i * len(second.values) + j`` shows value ``i`` of the first
and value ``j`` of the second.
"""

import hashlib
import html
import itertools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from course_utils.arguments import ArgumentError
from course_utils.interactive.pictures import Painter, Picture, quoted
from course_utils.interactive.sliders import Slider

MOST_BYTES = 900_000
"""What the frames of one figure may weigh together; a page with figures stays below 1 MB."""

_MOST_TICKS = 41

_BUTTON = (
    '<button type="button" class="course-frames__{part}" aria-label="{says}">'
    '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="{path}"/></svg></button>'
)
_BUTTONS = (
    ("back", "Previous", "M15 3v14L6 10zM4 3h2v14H4z"),
    ("play", "Play", "M5 3v14l12-7z"),
    ("forward", "Next", "M5 3v14l9-7zM14 3h2v14h-2z"),
)


@dataclass(frozen=True)
class Frames:
    """A finished figure with sliders; a notebook displays it, ``html`` is all there is to it.

    Attributes:
        name: The figure's name, as given to ``frames``.
        num_frames: How many frames there are.
        html: One ``<figure>`` element with its images, style and script inside.
    """

    name: str
    num_frames: int
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Frames({self.name!r}, {self.num_frames} frames)"


def figure(painter: Painter, sliders: tuple[Slider, ...], *, name: str, flags: str) -> Frames:
    """Draw every frame and put them behind the sliders.

    Args:
        painter: Draws a frame and finds its words.
        sliders: One or two.
        name: Short name of the figure.
        flags: Attributes that the script reads.

    Raises:
        ArgumentError: Frames of different sizes, or heavier together than ``MOST_BYTES``.
    """
    grid = list(itertools.product(*(slider.values for slider in sliders)))
    pictures = [painter.paint(*values) for values in grid]
    _check(pictures, grid)
    started = tuple(slider.values[slider.start] for slider in sliders)
    start = _index(sliders)
    images = "".join(
        picture.tag(' decoding="sync"' + ("" if index == start else " hidden"))
        for index, picture in enumerate(pictures)
    )
    shown = ", ".join(
        f"{slider.label} {slider.text(value)}"
        for slider, value in zip(sliders, started, strict=True)
    )
    content = (
        f'<div class="course-frames__stage">{images}</div>'
        f'<p class="course-frames__still"><span>{html.escape(shown)}</span>'
        f" (one of {len(grid)} frames)</p>"
        f'<div class="course-frames__controls" hidden>{"".join(_row(s, sliders) for s in sliders)}'
        '</div><p class="course-frames__said" aria-live="polite"></p>'
    )
    labels = " and ".join(slider.label for slider in sliders)
    flags += f' aria-label="{html.escape(f"Movable figure: {labels}")}"'
    flags += f' style="--frames-width: {pictures[0].width}px"'
    return Frames(name, len(grid), _wrap(name, flags, content))


def _index(sliders: tuple[Slider, ...]) -> int:
    index = 0
    for slider in sliders:
        index = index * len(slider.values) + slider.start
    return index


def _check(pictures: list[Picture], grid: list[tuple[Any, ...]]) -> None:
    wanted = pictures[0].size
    for picture, values in zip(pictures, grid, strict=True):
        if picture.size != wanted:
            raise ArgumentError(
                f"draw: expected every frame to be {wanted[0]} by {wanted[1]} pixels, "
                f"got {picture.size[0]} by {picture.size[1]} for {quoted(values)}"
            )
    weight = sum(len(picture.webp) for picture in pictures)
    if weight > MOST_BYTES:
        raise ArgumentError(
            f"draw: expected frames of at most {MOST_BYTES // 1000} kB together, "
            f"got {weight // 1000} kB in {len(pictures)} frames"
        )


def _row(slider: Slider, sliders: tuple[Slider, ...]) -> str:
    of = slider.label if len(sliders) > 1 else ""
    buttons = "".join(
        _BUTTON.format(part=part, path=path, says=html.escape(_says(says, of)))
        for part, says, path in _BUTTONS
    )
    texts = slider.texts
    first, shown, last = (html.escape(texts[place]) for place in (0, slider.start, -1))
    steps = len(texts) - 1 if len(texts) <= _MOST_TICKS else 1
    ends = f"<span>{first}</span><span>{last}</span>" if len(texts) > 1 else ""
    return (
        f'<div class="course-frames__row"><div class="course-frames__buttons">{buttons}</div>'
        f'<label class="course-frames__slider"><span>{html.escape(slider.label)}</span>'
        f'<span class="course-frames__value" aria-hidden="true"'
        f' style="min-width: {max(map(len, texts))}ch">{shown}</span>'
        f'<input type="range" min="0" max="{len(texts) - 1}" step="1" value="{slider.start}"'
        f' aria-valuetext="{shown}" data-texts="{html.escape(json.dumps(texts))}"'
        f' autocomplete="off"><span class="course-frames__ends" aria-hidden="true"'
        f' style="--frames-steps: {max(steps, 1)}">{ends}</span></label></div>'
    )


def _says(says: str, of: str) -> str:
    if of:
        return f"{says}: {of}"
    return says if says == "Play" else f"{says} frame"


def _wrap(name: str, flags: str, content: str) -> str:
    style, script = _asset("frames.css"), _asset("frames.js")
    key = f"{name}-{hashlib.sha256((flags + content).encode()).hexdigest()[:10]}"
    return (
        f'<figure class="course-frames" id="frames-{key}" data-frames="{key}"{flags}>'
        f'<style>{style}</style>{content}<script>{script}("{key}");</script></figure>'
    )


def _asset(name: str) -> str:
    return resources.files("course_utils").joinpath("_assets", name).read_text("utf-8").strip()
