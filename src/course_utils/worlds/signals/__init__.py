"""Signals: stationary Gaussian sources with a known innovation variance.

gaussian         what all share: density, prediction, noise and the Wiener filter
autoregressive   each value is a weighted sum of past values plus white noise
sinusoids        sinusoids of random amplitude and phase in white noise
"""

from course_utils.worlds.signals.autoregressive import AutoregressiveSource
from course_utils.worlds.signals.gaussian import GaussianSignal, NoisySignal
from course_utils.worlds.signals.sinusoids import SinusoidSource

__all__ = ["AutoregressiveSource", "GaussianSignal", "NoisySignal", "SinusoidSource"]
