"""Feature networks trained in the course, so that FID and its relatives need no download.

``network`` is the classifier whose last hidden layer gives the features, ``training`` the two
recipes, ``stored`` reads the weights that come with the course. A published FID uses the Inception
network on photographs; its numbers and those of these small networks are on different scales.
"""

from course_utils.metrics.features.network import FeatureNetwork
from course_utils.metrics.features.stored import digit_features, scene_features, training_record

__all__ = ["FeatureNetwork", "digit_features", "scene_features", "training_record"]
