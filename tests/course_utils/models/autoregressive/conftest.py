"""What the tests of this family share: enumeration, goodness of fit, a tiny model of each class."""

from itertools import product

import pytest
import torch
from scipy import stats

from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive import (
    FVSBN,
    MADE,
    NADE,
    NeuralLM,
    NGram,
    PixelCNNPP,
    RecurrentLM,
    WaveNet,
    WindowModel,
)


def _randomise(model):
    """Float64, weights large enough that the conditionals really depend on what came before."""
    rng = torch.Generator().manual_seed(1)
    model = model.double().eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randn(weights.shape, generator=rng, dtype=torch.float64))
    return model


def _counted(context):
    rng = torch.Generator().manual_seed(2)
    return NGram(3, context, smoothing=0.1, length=4).fit_counts(
        torch.randint(3, (9, 6), generator=rng)
    )


SHUFFLED = torch.tensor([3, 0, 4, 1, 2])

DISCRETE = {
    "unigram": lambda: (_counted(0), 3, 4),
    "bigram": lambda: (_counted(1), 3, 4),
    "trigram": lambda: (_counted(2), 3, 4),
    "neural-lm": lambda: (NeuralLM(3, 2, 2, 4, length=4), 3, 4),
    "window": lambda: (WindowModel(2, 2, 4, radius=1, hidden=5, level_dim=4), 4, 4),
    "rnn-lm": lambda: (RecurrentLM(3, 5, kind="rnn", embed_dim=2, length=4), 3, 4),
    "lstm-lm": lambda: (RecurrentLM(3, 4, embed_dim=2, length=4), 3, 4),
    "wavenet": lambda: (WaveNet(CategoricalHead(3), 4, dilations=(1, 2), length=4), 3, 4),
    "pixelcnnpp": lambda: (PixelCNNPP(1, 3, 3, features=2, num_components=2), 3, 3),
    "fvsbn": lambda: (FVSBN(5, SHUFFLED), 2, 5),
    "nade": lambda: (NADE(5, 3, order=SHUFFLED), 2, 5),
    "nade-one-hot": lambda: (NADE(5, 3, num_levels=3, order=SHUFFLED), 3, 5),
    "nade-scaled": lambda: (NADE(5, 3, num_levels=3, encoding="scaled"), 3, 5),
    "made": lambda: (MADE(5, (7, 6), order=SHUFFLED), 2, 5),
    "made-one-hot": lambda: (MADE(5, (9,), num_levels=3, order=SHUFFLED, dropout=0.2), 3, 5),
    "made-scaled": lambda: (MADE(5, (9,), num_levels=3, encoding="scaled", direct=True), 3, 5),
}


@pytest.fixture(params=DISCRETE)
def tiny(request):
    """Every discrete model in turn: (model, number of levels, number of variables)."""
    model, levels, length = DISCRETE[request.param]()
    return _randomise(model), levels, length


@pytest.fixture
def randomise():
    return _randomise


@pytest.fixture
def all_states():
    """All levels^length states, in the order of ``_state_index``."""
    return lambda levels, length: torch.tensor(list(product(range(levels), repeat=length)))


@pytest.fixture
def chi_square_p():
    """p-value of Pearson's test that ``samples`` follow ``probs`` over all states."""

    def p_value(samples, probs, levels):
        powers = levels ** torch.arange(samples.shape[1] - 1, -1, -1)
        counts = torch.bincount((samples * powers).sum(1), minlength=len(probs)).double()
        expected = probs * len(samples)
        rare = expected < 5
        observed = torch.cat([counts[~rare], counts[rare].sum()[None]])
        wanted = torch.cat([expected[~rare], expected[rare].sum()[None]])
        keep = wanted > 0
        statistic = ((observed - wanted).square() / wanted)[keep].sum()
        return float(stats.chi2.sf(float(statistic), int(keep.sum()) - 1))

    return p_value
