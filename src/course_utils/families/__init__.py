"""The classical families of distributions and what makes one out of another.

tree             the links between families: parent, child, question
links            both sides of each link, built and by formula
fitting          a bell curve for heights, a coin for tosses
sums             sums of independent numbers; Poisson and normal limits with their bounds
waiting          survival, hazard, and what it means to forget
maximum_entropy  the least committed law with given moments
dirichlet        coins and dice whose chances are unknown
logistic_normal  a normal number squeezed into (0, 1)
operations       mixtures, products and transformations of laws on the line
shapes           mass, mean, variance and modes of a law on the line
"""

from course_utils.families.dirichlet import UnknownDie
from course_utils.families.fitting import fit_bernoulli, fit_normal
from course_utils.families.links import CHANCE, RATE, Comparison
from course_utils.families.logistic_normal import logistic_normal, logistic_normal_modes
from course_utils.families.maximum_entropy import maximum_entropy
from course_utils.families.operations import (
    Mixture,
    Product,
    Transformed,
    draw,
    gaussian_product,
)
from course_utils.families.shapes import modes, moments
from course_utils.families.sums import (
    BERRY_ESSEEN,
    berry_esseen_bound,
    coins_law,
    le_cam_bound,
    normal_distance,
    poisson_distance,
    repeated_sum,
    sum_law,
    uniform_sum_cdf,
    uniform_sum_distance,
)
from course_utils.families.tree import LINKS, Link, link
from course_utils.families.waiting import hazard, remaining_survival, survival

__all__ = [
    "BERRY_ESSEEN",
    "CHANCE",
    "LINKS",
    "RATE",
    "Comparison",
    "Link",
    "Mixture",
    "Product",
    "Transformed",
    "UnknownDie",
    "berry_esseen_bound",
    "coins_law",
    "draw",
    "fit_bernoulli",
    "fit_normal",
    "gaussian_product",
    "hazard",
    "le_cam_bound",
    "link",
    "logistic_normal",
    "logistic_normal_modes",
    "maximum_entropy",
    "modes",
    "moments",
    "normal_distance",
    "poisson_distance",
    "remaining_survival",
    "repeated_sum",
    "sum_law",
    "survival",
    "uniform_sum_cdf",
    "uniform_sum_distance",
]
