r"""The Transformer block: attention moves information between positions, a network works on each.

Both sublayers are corrections added to what was there, x <- x + f(x), the residual stream. A layer
norm goes before a sublayer (pre-norm, as today) or after the addition (post-norm, as in
[vaswani2017attention]):

    pre     x <- x + Attention(Norm(x)),       x <- x + F(Norm(x))
    post    x <- Norm(x + Attention(x)),       x <- Norm(x + F(x))

with F(x) = W_2 gelu(W_1 x + b_1) + b_2 and a hidden layer four times as wide as x. In the pre-norm
form the identity runs through the whole stack, so a gradient reaches the first block undiminished
[xiong2020layer].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_choice, check_int, check_number
from course_utils.nets.attention import MultiHeadAttention
from course_utils.nets.positions import Rotation

NORMS = ("pre", "post")
"""Where a block normalises: before each correction, or after adding it."""


class Block(nn.Module):
    """One Transformer block.

    Args:
        dim: d, the size of a vector.
        num_heads: Heads of the attention, a divisor of d.
        causal: Whether a position sees only itself and earlier ones.
        norm: ``"pre"`` or ``"post"``.
        expansion: Width of the hidden layer of F, in multiples of d.
        dropout: Probability in [0, 1) with which a number of a correction is set to zero in
            training.

    Raises:
        ArgumentError: A size is out of range.

    Source:
        [vaswani2017attention], [xiong2020layer].
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        causal: bool = True,
        norm: str = "pre",
        expansion: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.pre = check_choice("norm", norm, NORMS) == "pre"
        check_int("expansion", expansion, low=1)
        check_number("dropout", dropout, low=0, high=1, open_high=True)
        self.attention = MultiHeadAttention(dim, num_heads, causal=causal)
        self.widen = nn.Linear(dim, expansion * dim)
        self.narrow = nn.Linear(expansion * dim, dim)
        self.norm_attention = nn.LayerNorm(dim)
        self.norm_feedforward = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def feedforward(
        self, x: Float[Tensor, "batch length dim"]
    ) -> Float[Tensor, "batch length dim"]:
        """Return F(x) = W_2 gelu(W_1 x + b_1) + b_2, the same at every position."""
        return self.narrow(functional.gelu(self.widen(x), approximate="tanh"))

    def forward(
        self, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """Return the vectors after both corrections."""
        if self.pre:
            x = x + self.dropout(self.attention(self.norm_attention(x), rotation))
            return x + self.dropout(self.feedforward(self.norm_feedforward(x)))
        x = self.norm_attention(x + self.dropout(self.attention(x, rotation)))
        return self.norm_feedforward(x + self.dropout(self.feedforward(x)))

    def step(
        self,
        x: Float[Tensor, "batch 1 dim"],
        kept: Float[Tensor, "2 batch heads context head_dim"],
        position: int,
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "batch 1 dim"]:
        """Return the vector of one new position; see ``MultiHeadAttention.step``."""
        if self.pre:
            x = x + self.attention.step(self.norm_attention(x), kept, position, rotation)
            return x + self.feedforward(self.norm_feedforward(x))
        x = self.norm_attention(x + self.attention.step(x, kept, position, rotation))
        return self.norm_feedforward(x + self.feedforward(x))

    def weights(
        self, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch heads length length"]:
        """Return the attention weights that ``forward`` uses for this input."""
        return self.attention.weights(self.norm_attention(x) if self.pre else x, rotation)


def initialise(model: nn.Module, dim: int, num_blocks: int) -> None:
    """Draw weights from N(0, 0.3 / d), set biases to 0, and start the corrections smaller.

    At the width d = 768 of the smallest GPT-2 this is its standard deviation 0.02. Kept at 0.02, a
    narrow network starts with corrections near zero and learns many times more slowly. A stack of
    L blocks adds 2L corrections; shrinking the last matrix of each by 1/sqrt(2L) keeps the stream's
    size independent of the depth.

    Args:
        model: Module whose linear maps and embeddings are set.
        dim: d, the size of a vector.
        num_blocks: L.

    Source:
        [radford2019language], for d = 768.
    """
    std = math.sqrt(0.3 / dim)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, Block):
            for last in (module.attention.project_out, module.narrow):
                nn.init.normal_(last.weight, std=std / math.sqrt(2 * num_blocks))


def block_parameters(dim: int, *, expansion: int = 4) -> int:
    """Return the number of parameters of a block: (4 + 2e) d^2 + (9 + e) d.

    Attention has four d x d matrices and 4d biases, F two d x ed matrices and ed + d biases, and
    the two norms 2d numbers each. With e = 4 that is 12 d^2 + 13 d.

    Args:
        dim: d.
        expansion: e.
    """
    check_int("dim", dim, low=1)
    check_int("expansion", expansion, low=1)
    return (4 + 2 * expansion) * dim**2 + (9 + expansion) * dim


def block_multiplications(length: int, dim: int, *, expansion: int = 4) -> int:
    """Return the multiply-adds of a block's matrix products for T positions, no mask exploited.

        T (4 + 2e) d^2     every position through every matrix
        2 T^2 d            every query with every key, every weight with every value

    Args:
        length: T.
        dim: d.
        expansion: e.
    """
    check_int("length", length, low=1)
    check_int("dim", dim, low=1)
    return length * (4 + 2 * check_int("expansion", expansion, low=1)) * dim**2 + (
        2 * length**2 * dim
    )


def step_multiplications(position: int, dim: int, *, expansion: int = 4) -> int:
    """Return the multiply-adds of ``Block.step``: (4 + 2e) d^2 + 2 (p + 1) d, linear in p.

    Args:
        position: p, counted from 0.
        dim: d.
        expansion: e.
    """
    check_int("position", position, low=0)
    return (4 + 2 * expansion) * dim**2 + 2 * (position + 1) * dim


def stack(
    blocks: nn.ModuleList, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
) -> list[Float[Tensor, "batch length dim"]]:
    """Return the stream before the first block and after each of them, to be looked at."""
    stream = [x]
    for block in blocks:
        stream.append(block(stream[-1], rotation))
    return stream


@torch.no_grad()
def attention_maps(
    blocks: nn.ModuleList, x: Float[Tensor, "batch length dim"], rotation: Rotation | None = None
) -> Float[Tensor, "layers batch heads length length"]:
    """Return the attention weights of every block and head, rows the queries."""
    stream = stack(blocks, x, rotation)
    return torch.stack(
        [block.weights(at, rotation) for block, at in zip(blocks, stream, strict=False)]
    )
