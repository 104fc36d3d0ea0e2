"""Densities in the plane that one can draw, with an exact log density each.

mixture     Gaussian mixtures: density, posterior, score and best denoiser at any noise level
curves      eight Gaussians, two moons, pinwheel, rings and spirals, as such mixtures
squares     the checkerboard, uniform on every other square
warps       Neal's funnel and the banana, by change of variables
noise       the last three seen through Gaussian noise
"""

from course_utils.worlds.plane.curves import (
    eight_gaussians,
    pinwheel,
    rings,
    spirals,
    two_moons,
)
from course_utils.worlds.plane.mixture import PlaneMixture
from course_utils.worlds.plane.squares import Checkerboard, NoisyCheckerboard
from course_utils.worlds.plane.warps import Banana, Funnel, NoisyWarp

WORLDS = {
    "eight Gaussians": eight_gaussians,
    "two moons": two_moons,
    "pinwheel": pinwheel,
    "rings": rings,
    "spirals": spirals,
    "checkerboard": Checkerboard,
    "funnel": Funnel,
    "banana": Banana,
}
"""Every world of the plane by name; call an entry, with ``device=`` and ``dtype=`` if need be."""

__all__ = [
    "WORLDS",
    "Banana",
    "Checkerboard",
    "Funnel",
    "NoisyCheckerboard",
    "NoisyWarp",
    "PlaneMixture",
    "eight_gaussians",
    "pinwheel",
    "rings",
    "spirals",
    "two_moons",
]
