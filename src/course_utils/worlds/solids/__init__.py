"""Solids: three-dimensional scenes whose geometry and whose shadows have closed forms.

shapes    spheres, boxes, tori and their combinations, by signed distance
fogs      density fields whose transmittance along any ray is known
stopping  the depth at which a fog stops light, as a world to sample and score
"""

from course_utils.worlds.solids.fogs import Fog, FogSum, GaussianFog, SlabFog, SphereFog
from course_utils.worlds.solids.shapes import (
    Box,
    Intersection,
    Shape,
    SmoothUnion,
    Sphere,
    Torus,
    Union,
)
from course_utils.worlds.solids.stopping import StoppingDepth

__all__ = [
    "Box",
    "Fog",
    "FogSum",
    "GaussianFog",
    "Intersection",
    "Shape",
    "SlabFog",
    "SmoothUnion",
    "Sphere",
    "SphereFog",
    "StoppingDepth",
    "Torus",
    "Union",
]
