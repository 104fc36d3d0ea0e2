"""What every world promises alike: both precisions, its own device, and one line otherwise.

The ``meta`` device holds no numbers, so a tensor on it stands for one on another machine part.
"""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.graphs import (
    BlockModel,
    ErdosRenyiGraphs,
    GilbertGraphs,
    LatentBlockModel,
    Molecules,
    PreferentialAttachment,
    relabel,
)
from course_utils.worlds.plane import Banana, Checkerboard, Funnel, eight_gaussians
from course_utils.worlds.sequences import GrammarSource, HiddenMarkovSource, MarkovSource
from course_utils.worlds.signals import AutoregressiveSource, SinusoidSource
from course_utils.worlds.solids import Box, GaussianFog, SlabFog, Sphere, StoppingDepth
from course_utils.worlds.tables import TableWorld

EDGES = torch.tensor([[0.8, 0.1], [0.1, 0.6]], dtype=torch.float64)
SHARES = torch.tensor([0.7, 0.3], dtype=torch.float64)
ZERO, UP = torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 0, 1], dtype=torch.float64)


def table(dtype):
    return TableWorld(torch.tensor([[0.1, 0.3], [0.4, 0.2]], dtype=dtype))


def markov(dtype):
    return MarkovSource(torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=dtype))


def hidden_markov(dtype):
    return HiddenMarkovSource(markov(dtype).transition, EDGES.to(dtype).softmax(-1))


def grammar(dtype):
    double = GrammarSource.agreement()
    return GrammarSource(double.binary.to(dtype), double.lexical.to(dtype), double.words)


def stopping(dtype):
    fog = GaussianFog(UP.to(dtype), 0.4, 2.0)
    return StoppingDepth(fog, ZERO.to(dtype), UP.to(dtype), 0.0, 3.0)


WORLDS = {
    "table": table,
    "markov": markov,
    "hidden markov": hidden_markov,
    "grammar": grammar,
    "mixture": lambda dtype: eight_gaussians(dtype=dtype),
    "checkerboard": lambda dtype: Checkerboard(dtype=dtype),
    "funnel": lambda dtype: Funnel(dtype=dtype),
    "banana": lambda dtype: Banana(dtype=dtype),
    "noisy checkerboard": lambda dtype: Checkerboard(dtype=dtype).noised(0.5),
    "noisy banana": lambda dtype: Banana(dtype=dtype).noised(0.5),
    "autoregressive": lambda dtype: AutoregressiveSource(torch.tensor([0.6], dtype=dtype)),
    "sinusoids": lambda dtype: SinusoidSource(
        torch.tensor([0.2], dtype=dtype), torch.tensor([1.5], dtype=dtype)
    ),
    "noisy signal": lambda dtype: AutoregressiveSource(torch.tensor([0.6], dtype=dtype)).noised(1),
    "stopping depth": stopping,
    "G(n, p)": lambda dtype: GilbertGraphs(4, 0.3, dtype=dtype),
    "G(n, M)": lambda dtype: ErdosRenyiGraphs(4, 3, dtype=dtype),
    "blocks": lambda dtype: BlockModel(torch.tensor([0, 0, 1, 1]), EDGES.to(dtype)),
    "hidden blocks": lambda dtype: LatentBlockModel(4, SHARES.to(dtype), EDGES.to(dtype)),
    "attachment": lambda dtype: PreferentialAttachment(5, 2, dtype=dtype),
    "molecules": lambda dtype: Molecules(3, dtype=dtype),
}
TIMED = ("markov", "hidden markov", "autoregressive", "sinusoids", "noisy signal")
UNPLACED = ("funnel", "banana", "noisy banana")
"""Worlds that hold no tensors and score points wherever those are."""


@pytest.fixture(params=WORLDS)
def name(request):
    return request.param


def draw(name, dtype, generator):
    options = {"length": 6} if name in TIMED else {}
    return WORLDS[name](dtype).sample(50, generator=generator, **options)


def test_both_precisions_agree(name, generator):
    """A float32 log density of size 10 or less is off by at most a few 1e-6."""
    x = draw(name, torch.float64, generator)
    double = WORLDS[name](torch.float64).log_prob(x)
    single = WORLDS[name](torch.float32).log_prob(x.float() if x.is_floating_point() else x)
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    assert draw(name, torch.float32, generator).dtype in (torch.float32, torch.int64)
    torch.testing.assert_close(single.double(), double, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("placed", [name for name in WORLDS if name not in UNPLACED])
def test_examples_from_another_device_are_refused(placed, generator, as_user):
    x = draw(placed, torch.float64, generator).to("meta")
    with pytest.raises(ArgumentError, match=r"^x: expected device cpu, got device meta$"):
        WORLDS[placed](torch.float64).log_prob(x)


META = {"device": "meta"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MarkovSource(EDGES.softmax(-1), SHARES.float()),
            "initial: expected dtype torch.float64, got dtype torch.float32",
        ),
        (
            lambda: markov(torch.float64).sample(2, length=3, condition=torch.zeros(1, 1).long()),
            "condition: expected shape (prefix), got shape (1, 1)",
        ),
        (
            lambda: HiddenMarkovSource(EDGES.softmax(-1), EDGES.softmax(-1).float()),
            "emission: expected dtype torch.float64, got dtype torch.float32",
        ),
        (
            lambda: hidden_markov(torch.float64).sample(2, length=3, condition=torch.ones(1)),
            "condition: expected dtype integer, got dtype torch.float32",
        ),
        (
            lambda: GrammarSource(torch.zeros(2, 2, 2), torch.ones(2, 1).double()),
            "lexical: expected dtype torch.float32, got dtype torch.float64",
        ),
        (
            lambda: GrammarSource(torch.zeros(2, 2, 3), torch.ones(2, 1)),
            "binary: expected shape (2, 2, 2), got shape (2, 2, 3)",
        ),
        (
            lambda: SinusoidSource(torch.ones(1) / 5, torch.ones(1, **META)),
            "scales: expected device cpu, got device meta",
        ),
        (
            lambda: Box(ZERO, torch.ones(3, dtype=torch.float64, **META)),
            "half_sides: expected device cpu, got device meta",
        ),
        (
            lambda: Sphere(ZERO, 1.0).distance(torch.ones(2, 3, dtype=torch.float64, **META)),
            "points: expected device cpu, got device meta",
        ),
        (
            lambda: SlabFog(0.0, 1.0, 1.0).transmittance(
                ZERO[None], torch.ones(1, 3, dtype=torch.float64, **META), 0.0, 1.0
            ),
            "directions: expected device cpu, got device meta",
        ),
        (
            lambda: Molecules(2).sample(1, condition=torch.zeros(2, dtype=torch.int64, **META)),
            "condition: expected device cpu, got device meta",
        ),
        (
            lambda: Molecules(2).joint_log_prob(
                torch.zeros(1, 2, 2).long(), torch.zeros(1, 2, dtype=torch.int64, **META)
            ),
            "atoms: expected device cpu, got device meta",
        ),
        (
            lambda: relabel(torch.zeros(1, 2, 2).long(), torch.arange(2, **META)),
            "order: expected device cpu, got device meta",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
