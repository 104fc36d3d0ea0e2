"""From a value to a lossless picture with its size and its words."""

import base64
import html
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from course_utils.arguments import ArgumentError

_CSS_PIXELS_PER_INCH = 96

COMPACT = {"quality": 70, "method": 4}
"""Settings of WebP for a frame that is stored: small, and worth the time."""

QUICK = {"quality": 0, "method": 0}
"""Settings of WebP for a frame that is shown at once."""


@dataclass(frozen=True)
class Picture:
    """One frame.

    Attributes:
        webp: The picture, lossless.
        size: Width and height in stored pixels.
        dpi: Stored pixels per inch.
        alt: What to see in it.
    """

    webp: bytes
    size: tuple[int, int]
    dpi: int
    alt: str

    @property
    def width(self) -> int:
        """Width on the page, in CSS pixels."""
        return round(self.size[0] * _CSS_PIXELS_PER_INCH / self.dpi)

    @property
    def height(self) -> int:
        """Height on the page, in CSS pixels."""
        return round(self.size[1] * _CSS_PIXELS_PER_INCH / self.dpi)

    def tag(self, attributes: str = "") -> str:
        """The picture as an ``<img>`` that holds its own bytes and keeps its place."""
        data = base64.b64encode(self.webp).decode("ascii")
        return (
            f'<img src="data:image/webp;base64,{data}" width="{self.width}"'
            f' height="{self.height}" alt="{html.escape(self.alt)}"{attributes}>'
        )


@dataclass(frozen=True)
class Painter:
    """An author's two functions and the resolution, which together make pictures.

    Attributes:
        draw: From the value of each slider to a figure.
        alt: From the same values to what one should see.
        dpi: Stored pixels per inch.
    """

    draw: Callable[..., Figure]
    alt: Callable[..., str]
    dpi: int

    def paint(self, *values: Any, effort: dict[str, int] = COMPACT) -> Picture:
        """Draw one frame and close its figure.

        Args:
            *values: One value for each slider.
            effort: ``COMPACT`` to store the frame, ``QUICK`` to show it at once.

        Raises:
            ArgumentError: ``draw`` gave no figure, or ``alt`` no words.
        """
        figure = self.draw(*values)
        if not isinstance(figure, Figure):
            raise ArgumentError(f"draw: expected a matplotlib Figure, got {type(figure).__name__}")
        try:
            figure.set_dpi(self.dpi)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        finally:
            plt.close(figure)
        stored = io.BytesIO()
        image.save(stored, format="WEBP", lossless=True, **effort)
        return Picture(stored.getvalue(), image.size, self.dpi, self._words(values))

    def _words(self, values: tuple[Any, ...]) -> str:
        text = self.alt(*values)
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError(f"alt: expected a sentence for {quoted(values)}, got {text!r}")
        return text


def quoted(values: tuple[Any, ...]) -> str:
    """Values as an error message names them."""
    return f"the value{'s' * (len(values) > 1)} {', '.join(map(repr, values))}"
