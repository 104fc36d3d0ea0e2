"""One training loop for every model of the course: ``fit``.

``loop`` holds the loop itself; ``state`` what a run remembers and does in one step; ``steps`` the
parts it is made of (which examples, which learning rate, the averaged weights); ``checkpoint`` what
it takes to stop and go on as if nothing had happened. ``optimisers`` holds no part of it: the rules
of descent, written out to be looked at.
"""

from course_utils.training.checkpoint import CheckpointError
from course_utils.training.loop import FitResult, fit
from course_utils.training.state import TrainingDiverged
from course_utils.training.steps import rate_factor

__all__ = ["CheckpointError", "FitResult", "TrainingDiverged", "fit", "rate_factor"]
