r"""Joint laws that assume something: how many numbers they need, and the best that they can do.

    full         p(x_1) p(x_2 | x_1) ... p(x_d | x_1 ... x_{d-1})     K^d - 1 numbers
    Markov       p(x_1) prod_i p_i(x_i | x_{i-1})                     linear in d
    homogeneous  the same conditional at every step                   whatever d is
    independent  prod_i p_i(x_i)
    i.i.d.       one law for all

``TableWorld.markov_restriction`` finds the best law whose conditionals remember m variables; here
are the counts, and the best law whose steps are in addition all alike.
"""

from course_utils.arguments import ArgumentError, check_int
from course_utils.worlds.sequences import MarkovSource
from course_utils.worlds.tables import TableWorld


def free_parameters(
    num_variables: int, num_levels: int, *, memory: int | None = None, alike: bool = False
) -> int:
    """Count the numbers that a joint law of d variables with K levels is free to choose.

    With memory m variable i has K^min(i, m) contexts (i = 0 … d−1), each with K − 1 free numbers.
    If all steps are alike, the first m variables have a joint law of their own, K^m − 1 numbers,
    and one table of K^m (K − 1) serves the others: K^(m+1) − 1 together.

    Args:
        num_variables: d ≥ 1.
        num_levels: K ≥ 2.
        memory: m, 0 to d − 1; by default d − 1, the full table.
        alike: Whether all conditionals after the first m variables are the same.

    Returns:
        A whole number.
    """
    check_int("num_variables", num_variables, low=1)
    check_int("num_levels", num_levels, low=2)
    memory = num_variables - 1 if memory is None else memory
    check_int("memory", memory, low=0, high=num_variables - 1)
    if alike:
        return num_levels ** (memory + 1) - 1
    contexts = sum(num_levels ** min(i, memory) for i in range(num_variables))
    return contexts * (num_levels - 1)


def homogeneous_restriction(world: TableWorld) -> MarkovSource:
    """Best first-order law with one transition table, q(x) = p(x_1) Π_i T[x_{i−1}, x_i].

    The cross-entropy under the world is a sum over neighbours, so the best T gives pair (a, b)
    the share of b among all neighbours of a: T[a, b] ∝ Σ_i p(x_{i−1} = a, x_i = b).

    Args:
        world: At least two variables, all with the same levels.

    Returns:
        A source with the world's first marginal; it is in general not stationary.

    Raises:
        ArgumentError: The variables differ in their levels, or there is only one.

    Accuracy:
        Exact: no other homogeneous chain has a smaller cross-entropy.

    Source:
        [cover2006elements].
    """
    if len(set(world.levels)) != 1 or world.num_variables < 2:
        raise ArgumentError(
            f"world: expected two or more variables with equal levels, got levels {world.levels}"
        )
    pairs = sum(world.marginal((i, i + 1)) for i in range(world.num_variables - 1))
    joint = TableWorld(pairs / pairs.sum())
    return MarkovSource(joint.conditional(1, (0,)), world.marginal((0,)))
