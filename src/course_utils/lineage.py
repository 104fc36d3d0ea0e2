r"""Which model answers which shortcoming of which other: the plan of the course as a graph.

A model is met with a question that an earlier one could not answer. ``STEPS`` writes these
questions down as edges of a graph without cycles. Each edge names the section of the book in
which a running cell shows the shortcoming in numbers, so that nobody has to take it on trust.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from course_utils.arguments import ArgumentError

ROOT = "Independent variables"
"""The model that all others descend from."""


@dataclass(frozen=True)
class Step:
    """One edge of the graph.

    Attributes:
        parent: The earlier model.
        child: The model that answers.
        shortcoming: What the parent cannot do.
        operation: What is added to the parent.
        shown: Label of the section where a cell shows the shortcoming.
    """

    parent: str
    child: str
    shortcoming: str
    operation: str
    shown: str


STEPS = (
    Step(ROOT, "Mixture", "one kind of example only, and one hump",
         "mixture", "concept-ops.mixture"),
    Step(ROOT, "Markov chain", "the next variable ignores the last one",
         "product of conditionals", "concept-found.iid-markov"),
    Step("Markov chain", "n-gram", "it forgets all but one variable",
         "longer contexts", "price-of-forgetting"),
    Step("n-gram", "Neural language model", "long contexts are too rare to be counted",
         "composition: a network", "price-of-remembering"),
    Step("Neural language model", "Recurrent language model", "its window has a fixed length",
         "composition through time", "concept-ar.rnn-lm"),
    Step("Recurrent language model", "GPT", "a state of fixed size cannot hold a long text",
         "a mixture of values: attention", "a-memory-of-fixed-size"),
    Step(ROOT, "FVSBN", "pixels know nothing of each other",
         "product of conditionals", "pixels-as-coins"),
    Step("FVSBN", "NADE", "a straight line for each conditional",
         "composition: a hidden layer", "concept-ar.nade"),
    Step("NADE", "MADE", "one pass for each variable",
         "masks", "concept-flow.made"),
    Step("MADE", "PixelCNN", "every weight belongs to one place",
         "masked convolutions", "concept-ar.masked-conv"),
    Step("PixelCNN", "Gated PixelCNN", "it cannot see a part of the past",
         "two stacks", "blind-spot"),
    Step("Gated PixelCNN", "PixelCNN++", "it is not told that levels have an order",
         "mixture of logistics", "what-a-softmax-costs"),
    Step("Mixture", "Linear-Gaussian model", "one number from a list is all that is hidden",
         "a continuous mixture", "straight-lines-and-lists"),
    Step("Linear-Gaussian model", "Variational autoencoder", "its pictures lie in a plane",
         "composition: a decoder network", "concept-vae.vae"),
    Step("Variational autoencoder", "Importance-weighted autoencoder", "its bound is loose",
         "an average of weights", "concept-vae.iwae"),
    Step("Variational autoencoder", "β-VAE", "rate and distortion have a fixed price",
         "a weight on one term", "concept-vae.beta"),
    Step("Variational autoencoder", "Hierarchical VAE", "all latents are of one layer",
         "composition of mixtures", "concept-vae.hierarchical"),
    Step("Variational autoencoder", "VQ-VAE with a prior over codes",
         "its codes are numbers where the world has symbols", "a codebook",
         "concept-vae.discrete-vs-continuous"),
)  # fmt: skip
"""The steps of the book so far."""


def in_order(steps: Sequence[Step] = STEPS) -> list[str]:
    """Return the models so that each comes after all that it descends from.

    Raises:
        ArgumentError: The steps go in a circle.
    """
    parents: dict[str, set[str]] = {}
    for step in steps:
        parents.setdefault(step.child, set()).add(step.parent)
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ArgumentError(f"steps: expected no circle, got {circle}") from None


def depths(steps: Sequence[Step] = STEPS) -> dict[str, int]:
    """Return, for each model, the number of steps on the longest way from a root to it.

    Raises:
        ArgumentError: The steps go in a circle.
    """
    depth: dict[str, int] = {}
    for model in in_order(steps):
        above = [depth[step.parent] for step in steps if step.child == model]
        depth[model] = 1 + max(above) if above else 0
    return depth


def ancestry(model: str, steps: Sequence[Step] = STEPS) -> list[Step]:
    """Return the steps that lead to a model, earliest first.

    Raises:
        ArgumentError: No step leads to or from the model, or the steps go in a circle.
    """
    place = {name: i for i, name in enumerate(in_order(steps))}
    if model not in place:
        raise ArgumentError(f"model: expected a model of the steps, got {model!r}")
    wanted, found = {model}, []
    for step in sorted(steps, key=lambda s: place[s.child], reverse=True):
        if step.child in wanted:
            wanted.add(step.parent)
            found.append(step)
    return found[::-1]
