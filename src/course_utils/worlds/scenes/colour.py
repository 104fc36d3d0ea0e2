"""Scenes in colour: three channels, and a colour in the place of the brightness."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.worlds.scenes.drawing import SHAPES, SIZES, centres, coverage
from course_utils.worlds.scenes.factors import PLACES
from course_utils.worlds.scenes.graph import SceneGraph, SceneObject
from course_utils.worlds.scenes.renderings import Renderings

COLOURS = {
    "red": (1.0, 0.25, 0.2),
    "yellow": (1.0, 0.85, 0.2),
    "green": (0.2, 0.8, 0.35),
    "blue": (0.25, 0.45, 1.0),
}
"""Red, green and blue of each colour, from 0 to 1."""


@dataclass(frozen=True)
class ColourScenes(Renderings):
    """All coloured pictures of one shape: K = 4 · 2 · 4 · 5 · 5 = 800, on black.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.
    """

    LEVELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "shape": SHAPES,
        "size": SIZES,
        "colour": tuple(COLOURS),
        **PLACES,
    }
    EXAMPLE: ClassVar[str] = "a small red disc, far left, top"

    @functools.cached_property
    def renderings(self) -> Float[Tensor, "scenes 3 size size"]:
        """Pictures with values in [0, 1], axes (scene, channel red-green-blue, row, column).

        A pixel is the colour times the share of its area that the shape covers.
        """
        shape, size, colour, x, y = self.factors.unbind(1)
        x, y = (centres(level, 5, self.dtype) for level in (x, y))
        values = torch.tensor(tuple(COLOURS.values()), dtype=self.dtype, device=self.device)
        covered = coverage(shape, size, x, y, self.size)
        return values[colour][:, :, None, None] * covered[:, None]

    def _write(self, words: Mapping[str, str]) -> tuple[str, ...]:
        return ("a {size} {colour} {shape}, {x}, {y}".format(**words),)

    def _draw_graph(self, words: Mapping[str, str]) -> SceneGraph:
        w = words
        return SceneGraph((SceneObject(w["shape"], w["size"], w["colour"], w["x"], w["y"]),))
