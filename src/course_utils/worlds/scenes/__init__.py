"""Small pictures and clips rendered from a few factors, with a density that is known exactly.

A finite set of renderings says what can be seen:

renderings  what every set offers: factors, captions, scene graphs, labels, and reading them back
factors     one shape of some size, brightness and place
colour      the same in three channels
pairs       two objects in a relation
motion      one object that moves, in clips of a few frames
graph       scene graphs: objects, attributes, relations
drawing     how much of a pixel a shape covers

A noise model makes a world of it, exactly a mixture with K components:

mixture     density, posterior over scenes and factors, oracle classifier, entropy
gaussian    real pixels with Gaussian noise: also the score function and the best denoiser
quantised   grey levels: an exact probability for models of discrete pixels
prediction  the next frames of a clip given the first ones
"""

from course_utils.worlds.scenes.colour import ColourScenes
from course_utils.worlds.scenes.factors import Scenes, caption, parse
from course_utils.worlds.scenes.gaussian import GaussianScenes
from course_utils.worlds.scenes.graph import SceneGraph, SceneObject
from course_utils.worlds.scenes.motion import MovingScenes
from course_utils.worlds.scenes.pairs import PairScenes
from course_utils.worlds.scenes.prediction import (
    next_frames_log_prob,
    next_frames_mean,
    sample_next_frames,
)
from course_utils.worlds.scenes.quantised import QuantisedScenes
from course_utils.worlds.scenes.renderings import Renderings

__all__ = [
    "ColourScenes",
    "GaussianScenes",
    "MovingScenes",
    "PairScenes",
    "QuantisedScenes",
    "Renderings",
    "SceneGraph",
    "SceneObject",
    "Scenes",
    "caption",
    "next_frames_log_prob",
    "next_frames_mean",
    "parse",
    "sample_next_frames",
]
