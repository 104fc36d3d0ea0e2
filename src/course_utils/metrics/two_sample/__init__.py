"""Do two samples come from the same law?

Each function here compares a sample x_1 … x_n of P with a sample y_1 … y_m of Q. Two kinds of
answer are given: a distance with its standard error, and a test with its p-value, the probability
under P = Q of a statistic at least as large as the one seen. A large p-value is no proof that the
laws are equal: the test may only lack the samples or the eye for the difference. Everything is
computed in float64.

``kernels`` holds the maximum mean discrepancy, the energy distance and their permutation test,
``contrast`` the estimate they share, ``kolmogorov`` the test on the line, ``classifier`` the test
by a classifier.
"""

from course_utils.metrics.two_sample.classifier import (
    Classifier,
    ClassifierVerdict,
    classifier_test,
    nearest_neighbours,
)
from course_utils.metrics.two_sample.kernels import (
    energy_distance,
    median_bandwidth,
    permutation_test,
    squared_mmd,
)
from course_utils.metrics.two_sample.kolmogorov import kolmogorov_smirnov
from course_utils.metrics.two_sample.verdict import Verdict

__all__ = [
    "Classifier",
    "ClassifierVerdict",
    "Verdict",
    "classifier_test",
    "energy_distance",
    "kolmogorov_smirnov",
    "median_bandwidth",
    "nearest_neighbours",
    "permutation_test",
    "squared_mmd",
]
