"""Two objects and the relation between them, as in "a small bright disc left of a large dim cross".

The same picture can be told from either side: A left of B is B right of A. If both were scenes of
their own, every picture would exist twice and nobody could say which of the two it shows. So a
scene has one name only. Its first object is the left or the upper one and its relation is "left
of" or "above"; the other telling, with "right of" or "below", is an alias that ``parse`` also
reads. The objects stand half a picture apart, further than two large ones reach, so nothing
overlaps and no order of drawing is hidden in the pixels.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.worlds.scenes.drawing import SHAPES, SIZES, centres, coverage
from course_utils.worlds.scenes.factors import BRIGHTNESS
from course_utils.worlds.scenes.graph import SceneGraph, SceneObject
from course_utils.worlds.scenes.renderings import Renderings

CONVERSE = {"left of": "right of", "above": "below"}
"""What holds of b and a when the key holds of a and b."""

_SIDES = {
    "left of": ("left", "right", ("top", "central", "bottom")),
    "above": ("top", "bottom", ("left", "middle", "right")),
}


@dataclass(frozen=True)
class PairScenes(Renderings):
    """All pictures of two objects in a relation: K = (4 · 2 · 2)² · 2 · 3 = 1536.

    The factor ``place`` says where the pair stands across its own direction: a pair side by side
    at the top, in the middle or at the bottom; a pair one above the other at the left, in the
    middle or at the right.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.
    """

    LEVELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "first_shape": SHAPES,
        "first_size": SIZES,
        "first_brightness": tuple(BRIGHTNESS),
        "relation": tuple(CONVERSE),
        "second_shape": SHAPES,
        "second_size": SIZES,
        "second_brightness": tuple(BRIGHTNESS),
        "place": ("top or left", "middle", "bottom or right"),
    }
    EXAMPLE: ClassVar[str] = "a small bright disc left of a large dim cross, top"
    CLASS_FACTOR: ClassVar[str] = "relation"

    @functools.cached_property
    def renderings(self) -> Float[Tensor, "scenes size size"]:
        """Pictures with values in [0, 1], axes (scene, row, column): the sum of both objects."""
        columns = self.factors.unbind(1)
        relation, place = columns[3], columns[7]
        return self._object(columns[0:3], relation, 0, place) + self._object(
            columns[4:7], relation, 1, place
        )

    def paraphrases(self, factors: Int[Tensor, " factors"]) -> tuple[str, str]:
        """The caption, and the same scene told from its second object; ``parse`` reads both."""
        return self._write(self._words[int(self.index(factors))])

    def _object(
        self, look: tuple[Tensor, Tensor, Tensor], relation: Tensor, end: int, place: Tensor
    ) -> Tensor:
        """One object alone, at the given end of the pair's axis."""
        shape, size, brightness = look
        along = centres(torch.full_like(place, end), 2, self.dtype)
        across = centres(place, 3, self.dtype)
        beside = relation == 0
        x, y = torch.where(beside, along, across), torch.where(beside, across, along)
        values = torch.tensor(tuple(BRIGHTNESS.values()), dtype=self.dtype, device=self.device)
        return values[brightness][:, None, None] * coverage(shape, size, x, y, self.size)

    def _write(self, words: Mapping[str, str]) -> tuple[str, str]:
        first, second = (
            f"a {words[n + '_size']} {words[n + '_brightness']} {words[n + '_shape']}"
            for n in ("first", "second")
        )
        relation, place = words["relation"], self._place(words)
        return (
            f"{first} {relation} {second}, {place}",
            f"{second} {CONVERSE[relation]} {first}, {place}",
        )

    def _draw_graph(self, words: Mapping[str, str]) -> SceneGraph:
        relation = words["relation"]
        objects = []
        for name, side in zip(("first", "second"), _SIDES[relation][:2], strict=True):
            look = (words[f"{name}_{part}"] for part in ("shape", "size", "brightness"))
            place = self._place(words)
            objects.append(
                SceneObject(*look, *((side, place) if relation == "left of" else (place, side)))
            )
        return SceneGraph(tuple(objects), ((0, relation, 1), (1, CONVERSE[relation], 0)))

    def _place(self, words: Mapping[str, str]) -> str:
        return _SIDES[words["relation"]][2][self.LEVELS["place"].index(words["place"])]
