r"""GPT: a stack of causal Transformer blocks that predicts the next token [radford2018improving].

The tokens, with a begin token before them, become vectors; a position is added (or turns queries
and keys); L blocks exchange information from earlier to later positions; and a last linear map
turns the vector at each place into the logits of the token that comes next:

    h_0 = E[begin, x_1, ..., x_{T-1}] + P
    h_l = Block_l(h_{l-1}),   l = 1 .. L
    logits = Norm(h_L) U^T

Row t of the logits has seen the begin token and x_1 .. x_{t-1}. Because of the begin token x_1 has
a conditional too, so that the probabilities of all sequences of a length sum to one.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_choice, check_int, check_number
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.nets.positions import AddedPositions, RotaryPositions, Rotation
from course_utils.nets.transformer import Block, attention_maps, initialise, stack

POSITIONS = ("learned", "sinusoidal", "rotary", "none")
"""How the model is told where a symbol stands, see ``course_utils.nets.positions``."""


class KeyValueCache(NamedTuple):
    """Keys and values of the positions already read, kept so that they are computed once.

    Attributes:
        kept: Keys and values of all blocks. ``GPT.step`` writes into it, so a cache can be gone on
            from in one way only; ``rows`` makes copies for several.
        length: Number of positions read, the begin token included.
    """

    kept: Float[Tensor, "layers 2 samples heads context head_dim"]
    length: int

    def rows(self, index: Int[Tensor, " chosen"]) -> "KeyValueCache":
        """Return a cache of its own for the chosen samples, in that order, with repetitions."""
        return KeyValueCache(self.kept[:, :, index], self.length)


class GPT(AutoregressiveModel):
    """p(x_t | x_{<t}) by a causal Transformer.

    Args:
        num_symbols: V, the size of the alphabet; the begin token is one more.
        context: Longest sequence; shorter ones are scored and sampled as well.
        dim: d, the size of a vector.
        num_heads: Heads of each attention, a divisor of d.
        num_layers: L, the number of blocks.
        positions: ``"learned"``, ``"sinusoidal"``, ``"rotary"`` or ``"none"``.
        norm: ``"pre"`` or ``"post"``, see ``Block``.
        tied: Whether the output map U is the embedding table E again.
        dropout: Probability in [0, 1) of dropout in the blocks.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [radford2018improving]; pre-norm, initial weights and the final norm as in
        [radford2019language].
    """

    any_length = True

    def __init__(
        self,
        num_symbols: int,
        context: int,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        *,
        positions: str = "learned",
        norm: str = "pre",
        tied: bool = False,
        dropout: float = 0.0,
    ):
        check_int("num_layers", num_layers, low=1)
        check_choice("positions", positions, POSITIONS)
        super().__init__(context, CategoricalHead(check_int("num_symbols", num_symbols, low=2)))
        self.num_symbols = num_symbols
        self.blocks = nn.ModuleList(
            Block(dim, num_heads, norm=norm, dropout=dropout) for _ in range(num_layers)
        )
        self.tokens = nn.Embedding(num_symbols + 1, dim)
        self.places = None
        self.turns = None
        if positions in ("learned", "sinusoidal"):
            self.places = AddedPositions(context, dim, learned=positions == "learned")
        elif positions == "rotary":
            self.turns = RotaryPositions(context, dim // num_heads)
        self.norm = nn.LayerNorm(dim) if norm == "pre" else nn.Identity()
        self.output = None if tied else nn.Linear(dim, num_symbols, bias=False)
        initialise(self, dim, num_layers)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length symbols"]:
        """Return the logits of every next token.

        Raises:
            ArgumentError: ``x`` is longer than the context.
        """
        return self._logits(self._run(x)[-1])

    def streams(self, x: Int[Tensor, "batch length"]) -> list[Float[Tensor, "batch length dim"]]:
        """Return the vectors before the first block and after each, to be looked at.

        Row t, counted from 1 as in ``conditionals``, has read the begin token and x_1 .. x_{t-1}.
        """
        return self._run(x)

    def attention_maps(
        self, x: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "layers batch heads length length"]:
        """Return the weights of every block and head; row t is that of x_t, row 0 of begin."""
        vectors, turn = self._embed(self._shifted(x), 0)
        return attention_maps(self.blocks, vectors, turn)

    def start(self, num_samples: int) -> KeyValueCache:
        """Return an empty cache for ``num_samples`` sequences."""
        check_int("num_samples", num_samples, low=1)
        attention = self.blocks[0].attention
        heads, weight = attention.num_heads, attention.project_out.weight
        shape = (len(self.blocks), 2, num_samples, heads, self.num_variables, len(weight) // heads)
        return KeyValueCache(weight.new_zeros(shape), 0)

    @torch.no_grad()
    def step(
        self, cache: KeyValueCache, last: Int[Tensor, " samples"] | None
    ) -> tuple[Float[Tensor, "samples symbols"], KeyValueCache]:
        """Read one token and return the logits of the next: row t of ``conditionals``.

        Args:
            cache: What ``start`` or the step before returned. Its tensor is written into.
            last: The token just drawn; ``None`` in the first step, which reads the begin token.

        Returns:
            Logits and the cache of the sequences that are one longer.

        Raises:
            ArgumentError: The context is full, or ``last`` is missing or not wanted.
        """
        kept, position = cache
        if position >= self.num_variables:
            raise ArgumentError(f"cache: expected fewer than {self.num_variables} tokens read")
        if (last is None) != (position == 0):
            raise ArgumentError(f"last: expected None in the first step only, got step {position}")
        if last is None:
            last = torch.full((kept.shape[2],), self.num_symbols, device=kept.device)
        x, turn = self._embed(last[:, None], position)
        for block, part in zip(self.blocks, kept, strict=True):
            x = block.step(x, part, position, turn)
        return self._logits(x)[:, 0], KeyValueCache(kept, position + 1)

    def _length(self, length: int | None) -> int:
        return check_int("length", super()._length(length), low=1, high=self.num_variables)

    def _shifted(self, x: Tensor) -> Tensor:
        """Put the begin token before the sequence and leave out its last token."""
        if x.shape[1] > self.num_variables:
            raise ArgumentError(
                f"x: expected at most {self.num_variables} tokens, got {x.shape[1]}"
            )
        return functional.pad(x[:, :-1], (1, 0), value=self.num_symbols)

    def _embed(self, tokens: Tensor, start: int) -> tuple[Tensor, Rotation | None]:
        """Vectors of tokens at positions from ``start`` on, and the rotation of these positions."""
        stop = start + tokens.shape[1]
        vectors = self.tokens(tokens)
        if self.places is not None:
            vectors = vectors + self.places(start, stop)
        return vectors, None if self.turns is None else self.turns(start, stop)

    def _run(self, x: Tensor) -> list[Tensor]:
        return stack(self.blocks, *self._embed(self._shifted(x), 0))

    def _logits(self, x: Tensor) -> Tensor:
        table = self.tokens.weight[:-1] if self.output is None else self.output.weight
        return functional.linear(self.norm(x), table)


def gpt_parameters(
    num_symbols: int, context: int, dim: int, num_layers: int, *, tied: bool = False
) -> dict[str, int]:
    """Return the parameters of a pre-norm ``GPT`` with learned positions, by where they are.

    The blocks have 12 d^2 + 13 d each; the rest grows with the alphabet and the context.

    Args:
        num_symbols: V.
        context: Longest sequence.
        dim: d.
        num_layers: L.
        tied: Whether the output map shares the embedding table.
    """
    check_int("dim", dim, low=1)
    check_number("num_layers", num_layers, low=1)
    return {
        "token embeddings": (num_symbols + 1) * dim,
        "positions": context * dim,
        "blocks": num_layers * (12 * dim**2 + 13 * dim),
        "final norm": 2 * dim,
        "output map": 0 if tied else num_symbols * dim,
    }
