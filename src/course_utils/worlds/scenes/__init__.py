"""Small pictures of one shape, rendered from five factors, with a density that is known exactly.

factors     shape, size, brightness, position: rendering, captions, and captions read back
mixture     K renderings and a noise model are a mixture: density, posterior, entropy
gaussian    real pixels with Gaussian noise: also the score function and the best denoiser
quantised   grey levels: an exact probability for models of discrete pixels
"""

from course_utils.worlds.scenes.factors import Scenes, caption, parse
from course_utils.worlds.scenes.gaussian import GaussianScenes
from course_utils.worlds.scenes.quantised import QuantisedScenes

__all__ = ["GaussianScenes", "QuantisedScenes", "Scenes", "caption", "parse"]
