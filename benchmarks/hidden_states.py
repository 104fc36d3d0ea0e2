"""Passes over hidden Markov chains beside hmmlearn: smoothing, the best path, learning.

The likelihood alone is raced in ``worlds``.
"""

import torch

from benchmarks.race import Program, Work
from course_utils.models.graphical import baum_welch
from course_utils.worlds.sequences import HiddenMarkovSource

_STATES, _SYMBOLS, _ROWS, _LENGTH = 6, 12, 200, 100


def _chain() -> tuple[HiddenMarkovSource, torch.Tensor]:
    """A source whose rows are far from certain, and sequences drawn from it."""
    generator = torch.Generator().manual_seed(0)
    source = HiddenMarkovSource.random(_STATES, _SYMBOLS, generator, concentration=2.0)
    return source, source.sample(_ROWS, length=_LENGTH, generator=generator)


def _peer(source: HiddenMarkovSource, **options):
    """hmmlearn's model with the same tables."""
    from hmmlearn.hmm import CategoricalHMM

    peer = CategoricalHMM(_STATES, n_features=_SYMBOLS, **options)
    peer.startprob_, peer.transmat_ = source.initial.numpy(), source.transition.numpy()
    peer.emissionprob_ = source.emission.numpy()
    return peer


def _smoothing() -> tuple[Program, Program]:
    source, x = _chain()
    peer, joined, lengths = _peer(source), x.reshape(-1, 1).numpy(), [_LENGTH] * _ROWS
    return (
        lambda: source.posterior(x).flatten(0, 1),
        lambda: peer.predict_proba(joined, lengths),
    )


def _viterbi() -> tuple[Program, Program]:
    source, x = _chain()
    peer, joined, lengths = _peer(source), x.reshape(-1, 1).numpy(), [_LENGTH] * _ROWS
    return lambda: source.viterbi(x)[1].sum(), lambda: peer.decode(joined, lengths)[0]


def _learning() -> tuple[Program, Program]:
    x = _chain()[1]
    start = HiddenMarkovSource.random(
        _STATES, _SYMBOLS, torch.Generator().manual_seed(1), concentration=2.0
    )
    joined, lengths = x.reshape(-1, 1).numpy(), [_LENGTH] * _ROWS

    def theirs() -> torch.Tensor:
        peer = _peer(start, n_iter=5, tol=-1e9, init_params="")
        return peer.fit(joined, lengths).emissionprob_

    return lambda: baum_welch(start, x, 5).source.emission, theirs


_SIZE = f"{_ROWS} sequences of {_LENGTH}, {_STATES} hidden states"

WORK = (
    Work("smoothing", f"smoothed states of {_SIZE}", "hmmlearn", _smoothing),
    Work("viterbi", f"most probable paths of {_SIZE}", "hmmlearn", _viterbi),
    Work("baumwelch", f"five steps of Baum-Welch on {_SIZE}", "hmmlearn", _learning),
)
