"""Which network finds a copy at a distance: the exact floor of what each can see is the judge.

Copies of a symbol from L steps before are worth log V each. The last R < L symbols say nothing
about the next one, so a window of R cannot beat log V, and one of L or more can reach zero.
"""

import math

import pytest
import torch

from course_utils import training
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive import GPT, WaveNet
from course_utils.worlds.sequences import CopySource

LENGTH, SYMBOLS = 14, 4


def convolutions():
    """Dilations 1 and 2 with two taps: R = 1 + 1 + 2 = 4."""
    return WaveNet(CategoricalHead(SYMBOLS), 16, dilations=(1, 2), length=LENGTH), 0.02


def transformer():
    return GPT(SYMBOLS, LENGTH, dim=32, num_heads=2, num_layers=1), 0.01


def nats_per_copy(build, lag):
    """Held-out loss of each symbol that is a copy."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    model, rate = build()
    source = CopySource(SYMBOLS, lag)
    training.fit(
        model,
        source.sample(3000, length=LENGTH, generator=generator),
        num_steps=250,
        batch_size=32,
        learning_rate=rate,
        warmup_steps=20,
        clip_norm=1.0,
        generator=generator,
    )
    with torch.no_grad():
        terms = model.log_prob_terms(source.sample(1000, length=LENGTH, generator=generator))
    return -terms[:, lag:].mean().item()


@pytest.mark.concept("ar.architecture-comparison")
def test_convolutions_find_copies_within_their_field_and_none_beyond():
    assert nats_per_copy(convolutions, 3) < 0.02
    assert abs(nats_per_copy(convolutions, 5) - math.log(SYMBOLS)) < 0.01


@pytest.mark.concept("ar.architecture-comparison")
@pytest.mark.parametrize("lag", [3, 8, 11])
def test_a_transformer_finds_copies_at_every_lag_within_its_context(lag):
    assert nats_per_copy(transformer, lag) < 0.02
