r"""The family tree of distributions: who follows from whom, by which question, and how exactly.

A link names a parent, a child, and the question that leads from one to the other. It also does
what it says: ``compare(n)`` builds the child's probabilities out of the parent's and puts them
beside the child's own formula. For an identity the two agree for every n; for a limit their
distance falls as n grows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from course_utils.arguments import ArgumentError
from course_utils.families import links
from course_utils.families.links import Comparison


@dataclass(frozen=True)
class Link:
    """One step of the tree.

    Attributes:
        parent: Name of the family it starts from.
        child: Name of the family it leads to.
        question: What one asks of the parent.
        operation: What answers the question.
        kind: ``"identity"`` holds for every n, ``"limit"`` as n grows.
        compare: Builds both sides for a whole number n ≥ 1.
    """

    parent: str
    child: str
    question: str
    operation: str
    kind: Literal["identity", "limit"]
    compare: Callable[[int], Comparison]


def link(parent: str, child: str) -> Link:
    """Return the link from one family to another.

    Raises:
        ArgumentError: The tree has none.
    """
    for found in LINKS:
        if (found.parent, found.child) == (parent, child):
            return found
    raise ArgumentError(f"parent, child: expected a link of the tree, got {parent!r}, {child!r}")


_COPIES = "add n copies"

LINKS = (
    Link("Bernoulli", "binomial", "How many heads in n tosses?",
         _COPIES, "identity", links.bernoulli_binomial),
    Link("Bernoulli", "categorical", "What if there are more than two outcomes?",
         "toss n coins until one shows heads", "identity", links.bernoulli_categorical),
    Link("categorical", "multinomial", "How often does each face come up in n throws?",
         _COPIES, "identity", links.categorical_multinomial),
    Link("Bernoulli", "geometric", "How many failures before the first success?",
         "multiply until it happens", "identity", links.bernoulli_geometric),
    Link("geometric", "negative binomial", "How many failures before the n-th success?",
         _COPIES, "identity", links.geometric_negative_binomial),
    Link("binomial", "Poisson", "What if trials are many and successes rare?",
         "n trials with chance λ/n", "limit", links.binomial_poisson),
    Link("Poisson", "binomial", "Given their total, how many events are of one kind?",
         "condition on a sum of n", "identity", links.poisson_binomial),
    Link("Poisson", "negative binomial", "What if the rate itself is not known?",
         "average over a gamma rate", "identity", links.poisson_negative_binomial),
    Link("geometric", "exponential", "What if time is continuous?",
         "n trials per unit of time", "limit", links.geometric_exponential),
    Link("exponential", "gamma", "How long until one more event?",
         "add one to n waits", "identity", links.exponential_gamma),
    Link("Poisson", "gamma", "How long until n events have been counted?",
         "exchange count and time", "identity", links.poisson_gamma),
    Link("binomial", "normal", "What shape do all sums tend to?",
         "centre and scale n trials", "limit", links.binomial_normal),
    Link("gamma", "beta", "Which share of two waits was the first?",
         "divide by the sum", "identity", links.gamma_beta),
    Link("beta", "Dirichlet", "What if the die has more faces than two?",
         "one share of three", "identity", links.beta_dirichlet),
    Link("normal", "logistic-normal", "How can a normal number become a chance?",
         "squeeze by the logistic function", "identity", links.normal_logistic_normal),
)  # fmt: skip
"""The links of the tree, each with both of its sides."""
