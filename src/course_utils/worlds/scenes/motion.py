"""Short clips: one object that moves at constant speed and bounces off the walls.

The object stands on the 5 × 5 places of the one-object scenes, so every frame of a clip is one of
those scenes. A step leads to the next place; at the wall it leads back, and the object spends one
frame turning, like a ball whose wall stands half a step further. Running through the ten moments
of going there and back, place and direction are a phase that grows by one per frame:

    phase      0 1 2 3 4 5 6 7 8 9
    place      0 1 2 3 4 4 3 2 1 0

so no two settings of the factors ever share a clip of three frames or more.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int
from course_utils.worlds.scenes.drawing import SHAPES, SIZES, centres, coverage
from course_utils.worlds.scenes.factors import PLACES
from course_utils.worlds.scenes.graph import SceneGraph, SceneObject
from course_utils.worlds.scenes.renderings import Renderings

MOTIONS = {
    "still": (0, 0),
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}
"""Step of each motion from frame to frame, as (columns, rows)."""


@dataclass(frozen=True)
class MovingScenes(Renderings):
    """All clips of one moving bright object: K = 4 · 2 · 5 · 5 · 5 = 1000.

    The factors are shape, size, the place in the first frame and the direction of the first step.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.
        num_frames: Frames T ≥ 1 of a clip. With one or two, some clips look alike, as they would
            to anybody who sees no more of them.
    """

    num_frames: int = 4

    LEVELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "shape": SHAPES,
        "size": SIZES,
        **PLACES,
        "motion": tuple(MOTIONS),
    }
    EXAMPLE: ClassVar[str] = "a small disc, far left, top, moving right"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("num_frames", self.num_frames, low=1)

    @functools.cached_property
    def places(self) -> Int[Tensor, "scenes frames 2"]:
        """Levels (x, y) of the object in every frame."""
        step = torch.tensor(tuple(MOTIONS.values()), device=self.device)[self.factors[:, 4]]
        start = self.factors[:, 2:4]
        phase = torch.where(step < 0, 9 - start, start)
        time = torch.arange(self.num_frames, device=self.device)
        phase = (phase[:, None] + step.abs()[:, None] * time[:, None]) % 10
        return torch.where(phase < 5, phase, 9 - phase)

    @functools.cached_property
    def renderings(self) -> Float[Tensor, "scenes frames size size"]:
        """Clips with values in [0, 1], axes (scene, frame, row, column)."""
        levels = (torch.arange(k, device=self.device) for k in self.num_levels[:4])
        shape, size, x, y = torch.cartesian_prod(*levels).unbind(1)
        x, y = (centres(level, 5, self.dtype) for level in (x, y))
        pictures = coverage(shape, size, x, y, self.size).unflatten(0, self.num_levels[:4])
        return pictures[self.factors[:, :1], self.factors[:, 1:2], *self.places.unbind(2)]

    def _write(self, words: Mapping[str, str]) -> tuple[str, ...]:
        motion = words["motion"]
        verb = "standing still" if motion == "still" else f"moving {motion}"
        return ("a {size} {shape}, {x}, {y}, ".format(**words) + verb,)

    def _draw_graph(self, words: Mapping[str, str]) -> SceneGraph:
        w = words
        thing = SceneObject(w["shape"], w["size"], "bright", w["x"], w["y"], w["motion"])
        return SceneGraph((thing,))
