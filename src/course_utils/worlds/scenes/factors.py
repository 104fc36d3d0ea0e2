"""A scene is five discrete factors; a rendering is the picture they determine."""

import functools
import math
import re
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor

FACTORS: dict[str, tuple[str, ...]] = {
    "shape": ("square", "disc", "triangle", "cross"),
    "size": ("small", "large"),
    "brightness": ("dim", "bright"),
    "x": ("far left", "left", "middle", "right", "far right"),
    "y": ("top", "upper", "central", "lower", "bottom"),
}
NUM_LEVELS = tuple(len(names) for names in FACTORS.values())

_RADII = (0.14, 0.21)
_BRIGHTNESS = (0.5, 1.0)
_FIRST_CENTRE, _LAST_CENTRE = 0.25, 0.75
_SUBPIXELS = 4
_CAPTION = re.compile(r"a (\w+) (\w+) (\w+), (far left|left|middle|right|far right), (\w+)")


@dataclass(frozen=True)
class Scenes:
    """All pictures the five factors can make: K = 4 · 2 · 2 · 5 · 5 = 400.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.
    """

    size: int = 16
    dtype: torch.dtype = torch.float32
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        check_int("size", self.size, low=2)

    def __len__(self) -> int:
        return math.prod(NUM_LEVELS)

    @functools.cached_property
    def factors(self) -> Int[Tensor, "scenes 5"]:
        """Levels of (shape, size, brightness, x, y) of every scene, the last running fastest."""
        return torch.cartesian_prod(*(torch.arange(k, device=self.device) for k in NUM_LEVELS))

    @functools.cached_property
    def renderings(self) -> Float[Tensor, "scenes size size"]:
        """Pictures with values in [0, 1], axes (scene, row from the top, column from the left).

        A pixel is the brightness times the share of its area that the shape covers, measured at
        4 × 4 points.
        """
        shape, size, brightness, x, y = self.factors.unbind(1)
        points = (torch.arange(self.size * _SUBPIXELS, device=self.device) + 0.5).to(self.dtype)
        points = points / (self.size * _SUBPIXELS)
        radius = self._values(_RADII)[size]
        u = (points - self._centres(NUM_LEVELS[3])[x, None]) / radius[:, None]
        v = (points - self._centres(NUM_LEVELS[4])[y, None]) / radius[:, None]
        covered = _inside_shape(shape[:, None, None], u[:, None, :], v[:, :, None])
        pixels = covered.unfold(1, _SUBPIXELS, _SUBPIXELS).unfold(2, _SUBPIXELS, _SUBPIXELS)
        coverage = pixels.to(self.dtype).mean((-1, -2))
        return self._values(_BRIGHTNESS)[brightness][:, None, None] * coverage

    @property
    def captions(self) -> list[str]:
        """One caption per scene."""
        return [caption(row) for row in self.factors]

    def index(self, factors: Int[Tensor, "*batch 5"]) -> Int[Tensor, "*batch"]:
        """Number of the scene with these factors, its position along the scene axis."""
        _check_factors(factors, low=0)
        strides = [math.prod(NUM_LEVELS[i + 1 :]) for i in range(len(NUM_LEVELS))]
        return (factors * torch.tensor(strides, device=factors.device)).sum(-1)

    def matches(self, condition: Int[Tensor, " 5"]) -> Int[Tensor, " matches"]:
        """Numbers of all scenes that agree with ``condition``, where −1 leaves a factor free."""
        _check_factors(condition, low=-1)
        agree = (condition < 0) | (self.factors == condition)
        return agree.all(1).nonzero().flatten()

    def _values(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    def _centres(self, count: int) -> Tensor:
        return torch.linspace(
            _FIRST_CENTRE, _LAST_CENTRE, count, dtype=self.dtype, device=self.device
        )


def _inside_shape(shape: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Whether points lie inside; u to the right and v downward, in units of the radius."""
    in_box = (u.abs() <= 1) & (v.abs() <= 1)
    inside = torch.stack(
        [
            (u.abs() <= 0.85) & (v.abs() <= 0.85),
            u**2 + v**2 <= 1,
            in_box & (u.abs() <= (v + 1) / 2),
            in_box & ((u.abs() <= 0.35) | (v.abs() <= 0.35)),
        ]
    )
    return inside.gather(0, shape.expand(inside.shape[1:]).unsqueeze(0))[0]


def caption(factors: Int[Tensor, " 5"]) -> str:
    """Caption of one scene, such as "a small bright disc, far left, top".

    Args:
        factors: Levels of (shape, size, brightness, x, y).
    """
    _check_factors(factors, low=0)
    shape, size, brightness, x, y = (
        names[i] for names, i in zip(FACTORS.values(), factors.tolist(), strict=True)
    )
    return f"a {size} {brightness} {shape}, {x}, {y}"


def parse(text: str) -> Int[Tensor, "5"]:
    """Factors of a caption, the inverse of ``caption``.

    Returns:
        Levels of (shape, size, brightness, x, y), int64.

    Raises:
        ArgumentError: If the text is not a caption.
    """
    match = _CAPTION.fullmatch(text)
    if match:
        size, brightness, shape, x, y = match.groups()
        words = (shape, size, brightness, x, y)
        if all(word in names for word, names in zip(words, FACTORS.values(), strict=True)):
            levels = [n.index(w) for w, n in zip(words, FACTORS.values(), strict=True)]
            return torch.tensor(levels)
    raise ArgumentError(
        f"text: expected a caption like 'a small bright disc, far left, top', got {text!r}"
    )


def _check_factors(factors: Tensor, low: int) -> None:
    check_tensor("factors", factors, shape=("...", len(FACTORS)), dtype="integer", low=low)
    for i, (name, names) in enumerate(FACTORS.items()):
        check_tensor(f"factors[{i}] ({name})", factors[..., i], high=len(names) - 1)
