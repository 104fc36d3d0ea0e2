r"""Masked prediction: hide some tokens, predict them from all the others [devlin2019bert].

With x_{-M} a sequence whose positions M hold a mask token, the loss is

    L = E_M E_x [ -1/|M| \sum_{i in M} log q(x_i | x_{-M}) ],

a mean of conditional cross-entropies, each smallest at the true conditional p(x_i | x_{-M}). If one
position at a time is hidden, the minimiser holds all T full conditionals p(x_i | x_{-i}) and no
more: it is no distribution over sequences. Their product is not one (it does not sum to one), and
after imperfect training no joint distribution need have these conditionals. What they do define is
a Markov chain that redraws one token at a time; if they are the true ones, it is Gibbs sampling and
its stationary law is the joint.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import sample_categorical
from course_utils.nets.positions import AddedPositions
from course_utils.nets.transformer import Block, initialise, stack
from course_utils.tasks import absent


class MaskedLM(nn.Module):
    """q(x_i | x_{-M}) by a Transformer that looks both ways.

    Args:
        num_symbols: V, the size of the alphabet; the mask token is one more.
        length: T, tokens of a sequence.
        dim: d, the size of a vector.
        num_heads: Heads of each attention, a divisor of d.
        num_layers: Number of blocks.
        mask_rate: Probability in (0, 1) with which a position is hidden in training; ``None``
            hides each position of each example once, alone.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Conditionals as good as the training; no joint probability.

    Source:
        [devlin2019bert], without its replacement of some hidden tokens by random or unchanged ones.
    """

    log_prob = absent(
        "score",
        "its conditionals need not belong to any joint distribution, and their product is none.",
        "the chapter on GPT (week 2)",
    )
    posterior = absent(
        "infer",
        "every token is observed; for hidden tokens use conditionals.",
        "the chapter on GPT (week 2)",
    )

    def __init__(
        self,
        num_symbols: int,
        length: int,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        *,
        mask_rate: float | None = 0.15,
    ):
        super().__init__()
        check_int("num_layers", num_layers, low=1)
        if mask_rate is not None:
            check_number("mask_rate", mask_rate, low=0, high=1, open_low=True, open_high=True)
        self.num_symbols = check_int("num_symbols", num_symbols, low=2)
        self.length = check_int("length", length, low=1)
        self.mask_rate = mask_rate
        self.tokens = nn.Embedding(num_symbols + 1, dim)
        self.places = AddedPositions(length, dim)
        self.blocks = nn.ModuleList(Block(dim, num_heads, causal=False) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, num_symbols)
        initialise(self, dim, num_layers)

    def conditionals(
        self, x: Int[Tensor, "batch length"], hidden: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length symbols"]:
        """Return the logits of q(x_i | x_{-M}) at every position; only those in M were trained.

        Args:
            x: Tokens 0 .. V - 1; what stands at hidden positions is not looked at.
            hidden: M, true where the token is replaced by the mask token.
        """
        self._check(x, values=x.device.type == "cpu")
        check_tensor("hidden", hidden, shape=tuple(x.shape), dtype=torch.bool)
        tokens = x.masked_fill(hidden, self.num_symbols)
        vectors = self.tokens(tokens) + self.places(0, x.shape[1])
        return self.output(self.norm(stack(self.blocks, vectors)[-1]))

    def full_conditionals(
        self, x: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length symbols"]:
        """Return log q(x_i = k | x_{-i}) in nats for every i and k, hiding one position at a time.

        One call of the network on T copies of each sequence.
        """
        batch, length = x.shape
        alone = torch.eye(length, dtype=torch.bool, device=x.device).repeat(batch, 1)
        logits = self.conditionals(x.repeat_interleave(length, 0), alone)
        return logits[alone].log_softmax(-1).unflatten(0, (batch, length))

    def loss(self, batch: Int[Tensor, "batch length"]) -> dict[str, Tensor]:
        """Return the mean of -log q(x_i | x_{-M}) over the hidden positions.

        Args:
            batch: Tokens (batch, length).

        Returns:
            ``total``: nats per hidden token; with ``mask_rate`` an estimate, since M is drawn.
        """
        if self.mask_rate is None:
            terms = self.full_conditionals(batch).gather(-1, batch[..., None])
            return {"total": -terms.mean()}
        hidden = torch.rand(batch.shape, device=batch.device) < self.mask_rate
        one = torch.randint(batch.shape[1], (len(batch), 1), device=batch.device)
        hidden |= ~hidden.any(1, keepdim=True) & (
            torch.arange(batch.shape[1], device=one.device) == one
        )
        target = batch.masked_fill(~hidden, -100)
        logits = self.conditionals(batch, hidden)
        return {"total": functional.cross_entropy(logits.mT, target, ignore_index=-100)}

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "given_rows length"] | None = None,
        num_sweeps: int = 50,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples length"]:
        """Run Gibbs chains from random tokens: redraw x_i ~ q(x_i | x_{-i}), i = 1 .. T, in turn.

        Args:
            num_samples: Number of independent chains; the last state of each is returned.
            condition: Tokens to keep, (num_samples, T) or (1, T), with -1 where to draw.
            num_sweeps: Rounds over all positions.
            generator: Source of randomness.

        Returns:
            Samples (num_samples, T), int64.

        Accuracy:
            Approximate: exact in the limit of many sweeps if the conditionals are those of a joint
            distribution; otherwise the limit depends on the order of the positions too.
        """
        check_int("num_samples", num_samples, low=1)
        check_int("num_sweeps", num_sweeps, low=1)
        device = self.output.weight.device
        shape = (num_samples, self.length)
        x = torch.randint(self.num_symbols, shape, generator=generator, device=device)
        free = torch.ones_like(x, dtype=torch.bool)
        if condition is not None:
            self._check(condition, values=True, low=-1)
            free = (condition < 0).expand(shape)
            x = torch.where(free, x, condition)
        for _ in range(num_sweeps):
            for i in range(self.length):
                hidden = torch.zeros_like(free)
                hidden[:, i] = True
                drawn = sample_categorical(self.conditionals(x, hidden)[:, i], generator)
                x[:, i] = torch.where(free[:, i], drawn, x[:, i])
        return x

    def _check(self, x: Tensor, *, values: bool, low: int = 0) -> None:
        check_tensor(
            "x",
            x,
            shape=("batch", self.length),
            dtype="integer",
            device=self.output.weight.device,
            low=low if values else None,
            high=self.num_symbols - 1 if values else None,
        )
