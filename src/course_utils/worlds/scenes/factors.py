"""A scene is five discrete factors; a rendering is the picture they determine."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.worlds.scenes.drawing import SHAPES, SIZES, centres, coverage
from course_utils.worlds.scenes.graph import SceneGraph, SceneObject
from course_utils.worlds.scenes.renderings import Renderings

BRIGHTNESS = {"dim": 0.5, "bright": 1.0}
"""Brightness of the object, on a background of 0."""

PLACES = {
    "x": ("far left", "left", "middle", "right", "far right"),
    "y": ("top", "upper", "central", "lower", "bottom"),
}
"""Names of the places on each axis."""

FACTORS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "size": SIZES,
    "brightness": tuple(BRIGHTNESS),
    **PLACES,
}
"""Names of the values of each factor."""

NUM_LEVELS = tuple(len(names) for names in FACTORS.values())
"""Number of values of each factor."""


@dataclass(frozen=True)
class Scenes(Renderings):
    """All pictures the five factors can make: K = 4 · 2 · 2 · 5 · 5 = 400.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.
    """

    LEVELS: ClassVar[Mapping[str, tuple[str, ...]]] = FACTORS
    EXAMPLE: ClassVar[str] = "a small bright disc, far left, top"

    @functools.cached_property
    def renderings(self) -> Float[Tensor, "scenes size size"]:
        """Pictures with values in [0, 1], axes (scene, row from the top, column from the left).

        A pixel is the brightness times the share of its area that the shape covers, measured at
        4 × 4 points.
        """
        shape, size, brightness, x, y = self.factors.unbind(1)
        x, y = (centres(level, 5, self.dtype) for level in (x, y))
        values = torch.tensor(tuple(BRIGHTNESS.values()), dtype=self.dtype, device=self.device)
        return values[brightness][:, None, None] * coverage(shape, size, x, y, self.size)

    def _write(self, words: Mapping[str, str]) -> tuple[str, ...]:
        return ("a {size} {brightness} {shape}, {x}, {y}".format(**words),)

    def _draw_graph(self, words: Mapping[str, str]) -> SceneGraph:
        w = words
        return SceneGraph((SceneObject(w["shape"], w["size"], w["brightness"], w["x"], w["y"]),))


@functools.cache
def _table() -> Scenes:
    return Scenes()


def caption(factors: Int[Tensor, " 5"]) -> str:
    """Caption of one scene, such as "a small bright disc, far left, top".

    Args:
        factors: Levels of (shape, size, brightness, x, y).
    """
    return _table().caption(factors)


def parse(text: str) -> Int[Tensor, "5"]:
    """Factors of a caption, the inverse of ``caption``.

    Returns:
        Levels of (shape, size, brightness, x, y), int64.

    Raises:
        ArgumentError: If the text is not a caption.
    """
    return _table().parse(text)
