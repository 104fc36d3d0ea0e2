"""What a two-sample test says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What a two-sample test says.

    Attributes:
        statistic: The statistic; larger means further from P = Q.
        p_value: Probability, under P = Q, of a statistic at least as large.
    """

    statistic: float
    p_value: float
