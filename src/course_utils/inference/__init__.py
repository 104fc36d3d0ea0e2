"""What is known about a parameter after the data: exactly, or nearly, by six roads.

conjugate    a posterior of the prior's kind: coins and Gaussian means
grid         quadrature: the density on all nodes of a grid
modes        the highest point and its curvature: maximum likelihood, MAP, Laplace
regression   MAP of linear models: ridge, soft threshold, lasso
mean_field   the closest law with independent coordinates, by coordinate ascent
projection   the closest Gaussian, for any f-divergence

Markov chains, the remaining road, are in ``samplers.mcmc``; networks that infer are models.
"""

from course_utils.inference.conjugate import BetaBernoulli, NormalMean
from course_utils.inference.grid import GridLaw, even_axes
from course_utils.inference.mean_field import (
    GaussianAscent,
    TableAscent,
    mean_field_gaussian,
    mean_field_table,
)
from course_utils.inference.modes import Mode, find_mode, fisher_information
from course_utils.inference.projection import GaussianFit, closest_gaussian
from course_utils.inference.regression import lasso, ridge, soft_threshold

__all__ = [
    "BetaBernoulli",
    "GaussianAscent",
    "GaussianFit",
    "GridLaw",
    "Mode",
    "NormalMean",
    "TableAscent",
    "closest_gaussian",
    "even_axes",
    "find_mode",
    "fisher_information",
    "lasso",
    "mean_field_gaussian",
    "mean_field_table",
    "ridge",
    "soft_threshold",
]
