r"""Telling a Transformer where things stand: attention alone does not know.

Without a mask, attention treats its inputs as a set: permute them and the outputs permute along. So
the position p has to enter by itself. The sinusoidal code gives it d/2 clock hands that turn at
geometrically spaced speeds w_i = base^{-2i/d},

    PE(p)_{2i} = sin(w_i p),   PE(p)_{2i+1} = cos(w_i p),

and PE(p + k) is PE(p) with hand i turned by the angle w_i k, whatever p is. Rotary positions
[su2021roformer] turn the queries and keys themselves by w_i p; their inner product then depends on
the difference of the two positions alone.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_number

BASE = 10_000.0
"""The base of the clock hands' speeds in [vaswani2017attention]."""


def frequencies(
    dim: int, *, base: float = BASE, device: torch.device | None = None
) -> Float[Tensor, " hands"]:
    """Return w_i = base^{-2i/d} for i = 0 .. d/2 - 1, in radians per position.

    Args:
        dim: d, an even number.
        base: Ratio that the slowest hand's period approaches, relative to the fastest's.
        device: Where the result lives.

    Raises:
        ArgumentError: ``dim`` is odd, or ``base`` is not above 1.
    """
    if check_int("dim", dim, low=2) % 2:
        raise ArgumentError(f"dim: expected an even number, got {dim}")
    check_number("base", base, low=1, open_low=True)
    exponent = torch.arange(0, dim, 2, dtype=torch.float64, device=device) / dim
    return base**-exponent


def sinusoidal(
    positions: Num[Tensor, "*axes"], dim: int, *, base: float = BASE
) -> Float[Tensor, "*axes dim"]:
    r"""Return PE(p): sin(w_i p) in entry 2i, cos(w_i p) in entry 2i + 1.

    Positions may be any real numbers, so the same code serves as a time embedding.

    Args:
        positions: p.
        dim: d, an even number.
        base: See ``frequencies``.

    Returns:
        Codes of Euclidean length sqrt(d/2), in PyTorch's default floating type.

    Accuracy:
        Angles are computed in double precision.

    Source:
        [vaswani2017attention].
    """
    angles = positions.double()[..., None] * frequencies(dim, base=base, device=positions.device)
    code = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)
    return code.to(torch.get_default_dtype())


def shift_matrix(offset: float, dim: int, *, base: float = BASE) -> Float[Tensor, "dim dim"]:
    """Return the block rotation R_k with PE(p + k) = R_k PE(p) for every p, in float64.

    Block i is [[cos w_i k, sin w_i k], [-sin w_i k, cos w_i k]], by the addition theorems.

    Args:
        offset: k, the shift.
        dim: d, an even number.
        base: See ``frequencies``.
    """
    angle = check_number("offset", offset) * frequencies(dim, base=base)
    cos, sin = angle.cos(), angle.sin()
    blocks = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    return torch.block_diag(*blocks)


class Rotation(NamedTuple):
    """Angles by which the pairs (2i, 2i + 1) of vectors at some positions are turned.

    Attributes:
        cos: cos(w_i p), axes (position, hand).
        sin: sin(w_i p), axes (position, hand).
    """

    cos: Float[Tensor, "length hands"]
    sin: Float[Tensor, "length hands"]

    def turn(self, x: Float[Tensor, "*batch length dim"]) -> Float[Tensor, "*batch length dim"]:
        """Return each vector with its pair (2i, 2i + 1) turned by the angle w_i p.

        Source:
            [su2021roformer].
        """
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = [even * self.cos - odd * self.sin, even * self.sin + odd * self.cos]
        return torch.stack(turned, -1).flatten(-2)

    def at(self, start: int, stop: int) -> "Rotation":
        """Return the rotations of positions ``start`` to ``stop - 1``."""
        return Rotation(self.cos[start:stop], self.sin[start:stop])


def rotation(positions: Num[Tensor, " length"], dim: int, *, base: float = BASE) -> Rotation:
    """Return the rotation of vectors of size ``dim`` at the given positions.

    Args:
        positions: p.
        dim: Size of the vectors that are turned, an even number.
        base: See ``frequencies``.

    Source:
        [su2021roformer].
    """
    angles = positions.double()[:, None] * frequencies(dim, base=base, device=positions.device)
    kind = torch.get_default_dtype()
    return Rotation(angles.cos().to(kind), angles.sin().to(kind))


class RotaryPositions(nn.Module):
    """Rotations of positions 0 .. context - 1, kept where the model is."""

    cos: Tensor
    sin: Tensor

    def __init__(self, context: int, dim: int, *, base: float = BASE):
        super().__init__()
        table = rotation(torch.arange(check_int("context", context, low=1)), dim, base=base)
        self.register_buffer("cos", table.cos, persistent=False)
        self.register_buffer("sin", table.sin, persistent=False)

    def forward(self, start: int, stop: int) -> Rotation:
        """Return the rotation of positions ``start`` to ``stop - 1``."""
        return Rotation(self.cos, self.sin).at(start, stop)


class AddedPositions(nn.Module):
    """A vector per position, to be added to that of the token: learned, or the sinusoidal code.

    Args:
        context: Number of positions.
        dim: Size of a vector.
        learned: Whether the vectors are parameters; they start small and random.
    """

    table: Tensor

    def __init__(self, context: int, dim: int, *, learned: bool = True):
        super().__init__()
        check_int("context", context, low=1)
        check_int("dim", dim, low=1)
        if learned:
            self.table = nn.Parameter(_small(context, dim))
        else:
            code = sinusoidal(torch.arange(context), dim)
            self.register_buffer("table", code, persistent=False)

    def forward(self, start: int, stop: int) -> Float[Tensor, "length dim"]:
        """Return the vectors of positions ``start`` to ``stop - 1``."""
        return self.table[start:stop]


class GridPositions(nn.Module):
    """A vector for each place of an image: that of its row plus that of its column, both learned.

    Places are numbered in raster order.

    Args:
        height: Rows.
        width: Columns.
        dim: Size of a vector.
    """

    def __init__(self, height: int, width: int, dim: int):
        super().__init__()
        check_int("dim", dim, low=1)
        self.rows = nn.Parameter(_small(check_int("height", height, low=1), 1, dim))
        self.columns = nn.Parameter(_small(1, check_int("width", width, low=1), dim))

    def forward(self, start: int, stop: int) -> Float[Tensor, "length dim"]:
        """Return the vectors of places ``start`` to ``stop - 1``."""
        return (self.rows + self.columns).flatten(0, 1)[start:stop]


def _small(*shape: int) -> Tensor:
    """Start of a learned table: N(0, 0.3 / d), as ``transformer.initialise`` draws weights."""
    return torch.randn(shape) * (0.3 / shape[-1]) ** 0.5
