r"""How varied is a set of generated sequences, and how much does each repeat itself?

Both count n-grams, pieces of n neighbouring symbols. Distinct-n looks across the set: the share of
different n-grams among all n-grams of all sequences. Repetition looks within: the share of a
sequence's n-grams that it has said before. Neither looks at quality; noise is as distinct as can
be. Both depend on the amount of text, so compare sets of the same size only.
"""

import math
from collections.abc import Hashable, Sequence

from course_utils.arguments import ArgumentError, check_int
from course_utils.metrics.likelihood import Estimate


def distinct_n(sequences: Sequence[Sequence[Hashable]], n: int) -> float:
    """Distinct-n = number of different n-grams / number of n-grams, over all sequences together.

    Args:
        sequences: Each a string, a list of words, or a list of symbols.
        n: At least 1.

    Returns:
        In (0, 1]; falls as the set grows, because n-grams run out.

    Raises:
        ArgumentError: No sequence has n symbols.

    Accuracy:
        Exact for the given set.

    Source:
        [li2016diversity].
    """
    pieces = [piece for sequence in sequences for piece in _ngrams(sequence, n)]
    if not pieces:
        raise ArgumentError(f"sequences: expected one of at least {n} symbols, got none")
    return len(set(pieces)) / len(pieces)


def repetition_n(sequences: Sequence[Sequence[Hashable]], n: int) -> Estimate:
    """Mean over sequences of 1 - (different n-grams) / (n-grams) within one sequence.

    Args:
        sequences: Each of at least n symbols.
        n: At least 1.

    Returns:
        In [0, 1), with its standard error over sequences; NaN for a single one. A sequence that
        runs in a circle of c symbols has about 1 - c / length.

    Raises:
        ArgumentError: A sequence is too short.

    Accuracy:
        Exact for the given set.

    Source:
        [welleck2020neural].
    """
    shares = []
    for i, sequence in enumerate(sequences):
        pieces = _ngrams(sequence, n)
        if not pieces:
            raise ArgumentError(f"sequences[{i}]: expected at least {n} symbols, got fewer")
        shares.append(1 - len(set(pieces)) / len(pieces))
    if not shares:
        raise ArgumentError("sequences: expected at least one, got none")
    mean = sum(shares) / len(shares)
    if len(shares) == 1:
        return Estimate(mean, math.nan)
    variance = sum((share - mean) ** 2 for share in shares) / (len(shares) - 1)
    return Estimate(mean, math.sqrt(variance / len(shares)))


def _ngrams(sequence: Sequence[Hashable], n: int) -> list[tuple]:
    check_int("n", n, low=1)
    return list(zip(*(sequence[i:] for i in range(n)), strict=False))
