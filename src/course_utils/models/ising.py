r"""The Ising model: spins that like to point the way their neighbours do.

A grid of spins s_i = ±1 with periodic borders, coupling K and field h (both divided by the
temperature):

    p(s) = exp(K \sum_{<ij>} s_i s_j + h \sum_i s_i) / Z,

the first sum over pairs of neighbours. Z has 2^{rows · columns} terms. A transfer matrix turns them
into a trace, which is exact and costs a matrix of 2^columns rows; mean field replaces the law by
one of independent spins, which is cheap and bounds log Z from below.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import sample_categorical
from course_utils.tasks import absent

CRITICAL_COUPLING = 0.5 * math.log(1 + math.sqrt(2))
"""Onsager's K at which an infinite square grid begins to order, 0.4407; in mean field it is 1/4."""

_WIDEST = 10


class Ising(nn.Module):
    """Ising model on a periodic grid.

    Args:
        rows: Rows of the grid, >= 3.
        columns: Columns, from 3 to 10.
        coupling: K, a parameter that can be learnt.
        field: h, a parameter that can be learnt.

    Raises:
        ArgumentError: A number is out of range.

    Source:
        [ising1925beitrag].
    """

    posterior = absent(
        "infer", "every spin is observed.", "the chapter on spins and circuits (week 0)"
    )

    def __init__(self, rows: int, columns: int, coupling: float, field: float = 0.0):
        super().__init__()
        self.rows = check_int("rows", rows, low=3)
        self.columns = check_int("columns", columns, low=3, high=_WIDEST)
        start = [check_number("coupling", coupling), check_number("field", field)]
        self.coupling, self.field = (
            nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in start
        )

    def statistics(self, s: Int[Tensor, "batch rows columns"]) -> Float[Tensor, "batch two"]:
        r"""The two sums of the exponent: \sum_{<ij>} s_i s_j and \sum_i s_i.

        Raises:
            ArgumentError: A spin is not −1 or +1, or the grid has another size.
        """
        shape = ("batch", self.rows, self.columns)
        check_tensor("s", s, shape=shape, dtype="integer", low=-1, high=1)
        check_tensor("abs(s)", s.abs(), low=1)
        return torch.stack([bonds(s), s.sum((-2, -1))], -1).to(self.field.dtype)

    def log_partition(self) -> Float[Tensor, ""]:
        r"""Return log Z in nats by the transfer matrix.

        With T_{rr'} = exp(K \sum_c r_c r'_c + (w(r) + w(r')) / 2) between the states r, r' of two
        neighbouring rows, and w(r) = K \sum_c r_c r_{c+1} + h \sum_c r_c, the sum over all grids is
        Z = tr T^rows = \sum_i λ_i^rows. It is differentiable in K and h.

        Accuracy:
            Exact; the cost grows like 8^columns.

        Source:
            [kramers1941statistics].
        """
        log_transfer = self._log_transfer(*self._row_states())
        top = log_transfer.detach().max()
        values = torch.linalg.eigvalsh((log_transfer - top).exp())
        largest = values[-1]
        powers = (values / largest).pow(self.rows).sum()
        return self.rows * (top + largest.log()) + powers.log()

    def log_prob(self, s: Int[Tensor, "batch rows columns"]) -> Float[Tensor, " batch"]:
        """Return log p(s) in nats per grid.

        Accuracy:
            Exact.
        """
        parameters = torch.stack([self.coupling, self.field])
        return self.statistics(s) @ parameters - self.log_partition()

    def sample(
        self,
        num_samples: int,
        *,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples rows columns"]:
        """Draw grids row by row.

        The first row has the law diag(T^rows) / Z. Given row i and the first row, row i + 1 is r
        with probability proportional to T[row i, r] (T^{rows−i})[r, first row].

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        states, device = self._row_states()[0], self.field.device
        with torch.no_grad():
            log_transfer = self._log_transfer(states, self._row_states()[1])
            transfer = (log_transfer - log_transfer.max()).exp()
        powers = [torch.eye(len(transfer), dtype=transfer.dtype, device=device)]
        for _ in range(self.rows):
            powers.append(powers[-1] @ transfer / powers[-1].max())
        first = powers[self.rows].diagonal().log().expand(num_samples, -1)
        drawn = [sample_categorical(first, generator)]
        for i in range(1, self.rows):
            weights = transfer[drawn[-1]] * powers[self.rows - i].T[drawn[0]]
            drawn.append(sample_categorical(weights.log(), generator))
        return states[torch.stack(drawn, 1)].long()

    def loss(self, batch: Int[Tensor, "batch rows columns"]) -> dict[str, Tensor]:
        """Return the mean of −log p(s) in nats per grid, as ``total``.

        Its gradient in K is the model's mean of the bonds minus the data's, and likewise for h.

        Accuracy:
            Exact.
        """
        return {"total": -self.log_prob(batch).mean()}

    def _row_states(self) -> tuple[Tensor, Tensor]:
        """All 2^columns states of a row, and w of each."""
        bits = torch.arange(2**self.columns, device=self.field.device)
        places = torch.arange(self.columns, device=self.field.device)
        states = (2 * ((bits[:, None] >> places) & 1) - 1).to(self.field.dtype)
        inside = (states * states.roll(1, 1)).sum(1)
        return states, self.coupling * inside + self.field * states.sum(1)

    def _log_transfer(self, states: Tensor, within: Tensor) -> Tensor:
        return self.coupling * states @ states.T + (within[:, None] + within) / 2


def bonds(s: Int[Tensor, "*batch rows columns"]) -> Int[Tensor, "*batch"]:
    r"""The sum \sum_{<ij>} s_i s_j over neighbours on a periodic grid, each pair once."""
    return (s * (s.roll(1, -1) + s.roll(1, -2))).sum((-2, -1))


@dataclass(frozen=True)
class MeanField:
    """The best law of independent spins that the iteration found.

    Attributes:
        magnetisation: m_i = E_q[s_i].
        free_energy: F(m) >= −log Z in nats.
        history: F after each sweep; it never rises.
    """

    magnetisation: Float[Tensor, " spins"]
    free_energy: Float[Tensor, ""]
    history: tuple[float, ...]


def mean_field(
    couplings: Float[Tensor, "spins spins"],
    fields: Float[Tensor, " spins"],
    start: Float[Tensor, " spins"],
    num_sweeps: int,
) -> MeanField:
    r"""Lower the free energy of independent spins: m_i = tanh(h_i + \sum_j K_ij m_j), in turn.

    Args:
        couplings: K, symmetric with a zero diagonal; each pair counts once in the energy.
        fields: h.
        start: m to start from, in [−1, 1]. At h = 0, m = 0 is a fixed point and stays.
        num_sweeps: Sweeps over all spins.

    Raises:
        ArgumentError: K is not symmetric, has a diagonal, or the shapes differ.

    Accuracy:
        A bound: F(m) >= −log Z for every m; one of possibly several local minima.

    Source:
        [jordan1999introduction].
    """
    count = len(fields)
    check_tensor("couplings", couplings, shape=(count, count), dtype="float")
    check_tensor("couplings - couplings.T", couplings - couplings.T, low=-1e-12, high=1e-12)
    check_tensor("couplings.diagonal()", couplings.diagonal(), low=0, high=0)
    check_tensor("start", start, shape=(count,), dtype=fields.dtype, low=-1, high=1)
    check_int("num_sweeps", num_sweeps, low=1)
    m, history = start.clone(), []
    for _ in range(num_sweeps):
        for i in range(count):
            m[i] = torch.tanh(fields[i] + couplings[i] @ m)
        history.append(mean_field_free_energy(couplings, fields, m))
    return MeanField(m, history[-1], tuple(torch.stack(history).tolist()))


def mean_field_free_energy(
    couplings: Float[Tensor, "spins spins"],
    fields: Float[Tensor, " spins"],
    m: Float[Tensor, " spins"],
) -> Float[Tensor, ""]:
    r"""F(m) = −½ \sum_ij K_ij m_i m_j − \sum_i h_i m_i − \sum_i H((1 + m_i) / 2), in nats.

    With q the law of independent spins with means m, F(m) = −log Z + KL(q ‖ p).

    Accuracy:
        Exact, and hence a bound: F(m) >= −log Z.
    """
    up = (1 + m) / 2
    entropy = torch.special.entr(torch.stack([up, 1 - up])).sum()
    return -0.5 * m @ couplings @ m - fields @ m - entropy


def grid_couplings(rows: int, columns: int, coupling: float) -> Float[Tensor, "spins spins"]:
    """K_ij = ``coupling`` between neighbours on a periodic grid, spins numbered row by row.

    Args:
        rows: >= 3.
        columns: >= 3.
        coupling: K.
    """
    check_int("rows", rows, low=3)
    check_int("columns", columns, low=3)
    places = torch.arange(rows * columns).reshape(rows, columns)
    matrix = torch.zeros(rows * columns, rows * columns, dtype=torch.float64)
    for axis in (0, 1):
        ahead = places.roll(1, axis)
        matrix[places.flatten(), ahead.flatten()] = coupling
        matrix[ahead.flatten(), places.flatten()] = coupling
    return matrix


def checkerboard_gibbs(
    s: Int[Tensor, "*batch rows columns"],
    coupling: float,
    field: float,
    num_sweeps: int,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "*batch rows columns"]:
    """Redraw all black and then all white spins, given the others, ``num_sweeps`` times.

    p(s_i = 1 | others) = sigmoid(2 (K \\sum of the neighbours + h)). No two black spins are
    neighbours, so that all of them can be drawn at once.

    Args:
        s: Spins ±1 on a periodic grid with even numbers of rows and columns.
        coupling: K.
        field: h.
        num_sweeps: Sweeps.
        generator: Source of randomness.

    Raises:
        ArgumentError: A side is odd.

    Accuracy:
        Leaves p invariant; below the critical temperature it needs long to turn all spins over.

    Source:
        [geman1984stochastic].
    """
    check_tensor("s", s, shape=("...", "rows", "columns"), dtype="integer", low=-1, high=1)
    for name, side in zip(("rows", "columns"), s.shape[-2:], strict=True):
        if side % 2:
            raise ArgumentError(f"s: expected an even number of {name}, got {side}")
    rows, columns = (torch.arange(n, device=s.device) for n in s.shape[-2:])
    black = (rows[:, None] + columns) % 2 == 0
    for _ in range(check_int("num_sweeps", num_sweeps, low=1)):
        for colour in (black, ~black):
            around = s.roll(1, -1) + s.roll(-1, -1) + s.roll(1, -2) + s.roll(-1, -2)
            up = torch.sigmoid(2 * (coupling * around.double() + field))
            drawn = 2 * (torch.empty_like(up).uniform_(generator=generator) < up).long() - 1
            s = torch.where(colour, drawn, s)
    return s


def onsager_magnetisation(coupling: float) -> float:
    """Mean spin of an infinite grid without field: (1 − sinh(2K)^−4)^(1/8) above the critical K.

    Accuracy:
        Exact.

    Source:
        [yang1952spontaneous].
    """
    check_number("coupling", coupling, low=0)
    if coupling <= CRITICAL_COUPLING:
        return 0.0
    return (1 - math.sinh(2 * coupling) ** -4) ** 0.125
