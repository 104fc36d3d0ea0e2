"""Grammar sources: sentences derived by a probabilistic context-free grammar.

A non-terminal is rewritten into two non-terminals or into one word (Chomsky normal form) until
only words are left. Words far apart can depend on each other through a common ancestor, which no
Markov source of any order reproduces; probabilities and entropies stay exact all the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import categorical_entropy, check_probabilities, sample_categorical
from course_utils.tasks import nothing_to_learn

PAD = -1
"""Stands behind the end of a string."""


@dataclass(frozen=True, eq=False)
class GrammarSource:
    """Grammar with rules A → B C of probability R[A, B, C] and A → a of probability E[A, a].

    Args:
        binary: R, axes (parent, left child, right child).
        lexical: E, axes (parent, word); R and E together sum to one for each parent.
        words: The words' spelling, for printing; their numbers without it.

    The sentence symbol is non-terminal 0.

    Raises:
        ArgumentError: If probabilities do not sum to one, or derivations do not end with
            probability one and finite mean length (spectral radius of the child counts ≥ 1).

    Source:
        [booth1973applying].
    """

    binary: Float[Tensor, "parents parents parents"]
    lexical: Float[Tensor, "parents words"]
    words: tuple[str, ...] | None = None

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        parents, same = len(self.binary), {"dtype": self.binary.dtype, "device": self.binary.device}
        check_tensor("binary", self.binary, shape=(parents, parents, parents), dtype="float")
        check_tensor("lexical", self.lexical, shape=(parents, "words"), **same)
        check_probabilities("binary and lexical", self._rules())
        if self.words is not None and len(self.words) != self.num_symbols:
            raise ArgumentError(f"words: expected {self.num_symbols}, got {len(self.words)}")
        radius = float(torch.linalg.eigvals(self._children()).abs().max())
        if radius >= 1 - 1e-9:
            raise ArgumentError(
                f"binary: expected a spectral radius of the child counts < 1, got {radius:.4f}"
            )

    @classmethod
    def agreement(cls, embedding: float = 0.3) -> "GrammarSource":
        """English with nested relative clauses: "the dog that the cats see runs".

        Each verb agrees in number with a subject that may stand any number of clauses away. The
        grammar is unambiguous, and the last word of a sentence shows that it is the last, so
        sentences can be written one after another without an end mark.

        Args:
            embedding: Probability in [0, 1) that a noun carries a relative clause.

        Returns:
            A source over 14 words, in float64.
        """
        names = ["S", "NPs", "NPp", "Det", "Ns", "Np", "Ms", "Mp", "RC", "That", "CL"]
        names += ["Vs", "Vp", "Ws", "Wp"]
        plain, half = 1 - embedding, 0.5
        rules = {
            "S": {"NPs Vs": half, "NPp Vp": half},
            "NPs": {"Det Ns": 1.0},
            "NPp": {"Det Np": 1.0},
            "Ns": {"dog": half * plain, "cat": half * plain, "Ms RC": embedding},
            "Np": {"dogs": half * plain, "cats": half * plain, "Mp RC": embedding},
            "RC": {"That CL": 1.0},
            "CL": {"NPs Ws": half, "NPp Wp": half},
            "Det": {"the": 1.0},
            "That": {"that": 1.0},
            "Ms": {"dog": half, "cat": half},
            "Mp": {"dogs": half, "cats": half},
            "Vs": {"runs": half, "sleeps": half},
            "Vp": {"run": half, "sleep": half},
            "Ws": {"sees": half, "chases": half},
            "Wp": {"see": half, "chase": half},
        }
        return cls.from_rules({name: rules[name] for name in names})

    @classmethod
    def from_rules(cls, rules: dict[str, dict[str, float]]) -> "GrammarSource":
        """Build a source from written rules, the sentence symbol first.

        Args:
            rules: Parent, then right-hand side, then probability. A right-hand side of two names
                is a binary rule, of one name a word.

        Returns:
            The source, in float64; words are numbered in order of first appearance.
        """
        number = {name: i for i, name in enumerate(rules)}
        sides = [side for choices in rules.values() for side in choices]
        words = list(dict.fromkeys(side for side in sides if " " not in side))
        binary = torch.zeros(len(rules), len(rules), len(rules), dtype=torch.float64)
        lexical = torch.zeros(len(rules), len(words), dtype=torch.float64)
        for parent, choices in rules.items():
            for side, prob in choices.items():
                if " " in side:
                    left, right = side.split()
                    binary[number[parent], number[left], number[right]] = prob
                else:
                    lexical[number[parent], words.index(side)] = prob
        return cls(binary, lexical, tuple(words))

    @property
    def num_symbols(self) -> int:
        """Number of words."""
        return self.lexical.shape[1]

    def spell(self, x: Int[Tensor, "batch length"]) -> list[str]:
        """Sentences as text, padding dropped."""
        words = self.words or tuple(map(str, range(self.num_symbols)))
        return [" ".join(words[i] for i in row if i != PAD) for row in x.tolist()]

    def sample(
        self,
        num_samples: int,
        *,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples length"]:
        """Draw sentences by rewriting the leftmost non-terminal, all sentences side by side.

        Args:
            num_samples: How many.
            condition: Nothing to condition on; only None.
            generator: Source of randomness on the source's device.

        Returns:
            Words, int64, padded with −1 to the longest sentence.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is not None:
            raise ArgumentError("condition: expected None (grammars draw whole sentences), got one")
        log_rules = self._rules().log()
        num_parents = len(self.binary)
        rows = torch.arange(num_samples, device=self.binary.device)
        pending = torch.zeros(num_samples, 2, dtype=torch.int64, device=self.binary.device)
        height, length = torch.ones_like(rows), torch.zeros_like(rows)
        x = torch.full_like(pending, PAD)
        while len(rows) > 0:
            top = pending[rows, height[rows] - 1]
            rule = sample_categorical(log_rules[top], generator)
            word = rule - num_parents**2
            split, emit = rows[word < 0], rows[word >= 0]
            pending, x = _widen(pending, height), _widen(x, length)
            pending[split, height[split] - 1] = rule[word < 0] % num_parents
            pending[split, height[split]] = rule[word < 0] // num_parents
            x[emit, length[emit]] = word[word >= 0]
            height[split] += 1
            height[emit] -= 1
            length[emit] += 1
            rows = rows[height[rows] > 0]
        return x[:, : int(length.max())]

    def log_prob(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) of sentences, summed over all derivations.

        Args:
            x: Words, padded on the right with −1.

        Returns:
            Nats per sentence, ≤ 0; −inf for a sentence the grammar does not derive.

        Accuracy:
            Exact (the inside algorithm); the cost grows like length³.

        Source:
            [baker1979trainable].
        """
        return self._inside(x, None)

    def posterior(
        self, x: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length length parents"]:
        """Span probabilities p(non-terminal A derives words i … j | x).

        Multiplying the weight of A over (i, j) by 1 + s changes log p(x) at the rate of that
        span's posterior probability, so one backward pass through the inside recursion gives all.

        Returns:
            Probabilities, axes (batch, first word i, last word j, A).

        Accuracy:
            Exact.

        Source:
            [eisner2016inside].
        """
        shape = (len(x), x.shape[1], x.shape[1], len(self.binary))
        change = self.binary.new_zeros(shape, requires_grad=True)
        with torch.enable_grad():
            total = self._inside(x, 1 + change)
            check_tensor("log_prob(x)", total.detach())
            return torch.autograd.grad(total.sum(), change)[0]

    def entropy(self) -> Float[Tensor, ""]:
        """Derivational entropy H = Σ_trees −p log p; the entropy of sentences if unambiguous.

        The entropy of a derivation from A is that of its first rule plus the expected entropy of
        the children, H_A = h_A + Σ_B M[A, B] H_B, a linear system with the child counts M.

        Returns:
            Nats per sentence, ≥ the entropy of sentences, equal if every sentence has one tree.

        Accuracy:
            Exact.

        Source:
            [grenander1976pattern].
        """
        return self._expected(categorical_entropy(self._rules().log()))

    def mean_length(self) -> Float[Tensor, ""]:
        """Expected number of words of a sentence."""
        return self._expected(self.lexical.sum(1))

    def entropy_rate(self) -> Float[Tensor, ""]:
        """Entropy per word of independent sentences written one after another.

        It is entropy() / mean_length(), which assumes an unambiguous grammar whose sentences show
        where they end; with an end mark the divisor is one larger.

        Returns:
            Nats per word.

        Accuracy:
            Exact.
        """
        return self.entropy() / self.mean_length()

    def _rules(self) -> Tensor:
        """Probabilities of all rules of a parent in one row: pairs of children, then words."""
        return torch.cat([self.binary.flatten(1), self.lexical], 1)

    def _children(self) -> Tensor:
        """Expected number M[A, B] of children B of one A."""
        return self.binary.sum(2) + self.binary.sum(1)

    def _expected(self, reward: Tensor) -> Tensor:
        """Expected sum of ``reward`` over all non-terminals of a derivation."""
        identity = torch.eye(len(reward), dtype=reward.dtype, device=reward.device)
        return torch.linalg.solve(identity - self._children(), reward)[0]

    def _inside(self, x: Tensor, factor: Tensor | None) -> Tensor:
        """log p(x) from inside weights p(A derives words i … j), shortest spans first.

        Every word's weight carries the factor exp(entropy rate), taken out again at the end, so
        that the weights of long spans neither vanish nor explode.
        """
        lengths = self._lengths(x)
        rate = self.entropy_rate()
        spans = {1: (self.lexical * rate.exp()).T[x.clamp_min(0)]}
        for width in range(1, x.shape[1] + 1):
            if width > 1:
                spans[width] = self._join(spans, width)
            if factor is not None:
                spans[width] = spans[width] * factor.diagonal(width - 1, 1, 2).transpose(1, 2)
        whole = torch.stack([spans[width][:, 0, 0] for width in sorted(spans)], 1)
        return whole.gather(1, lengths[:, None] - 1).squeeze(1).log() - lengths * rate

    def _join(self, spans: dict[int, Tensor], width: int) -> Tensor:
        """Inside weights of all spans of ``width`` words from those of their two parts."""
        parent, left, right = self.binary.nonzero().T
        starts = spans[1].shape[1] - width + 1
        pairs = sum(
            spans[cut][:, :starts, left] * spans[width - cut][:, cut:, right]
            for cut in range(1, width)
        )
        rules = torch.arange(len(parent), device=parent.device)
        weights = self.binary.new_zeros(len(parent), len(self.binary))
        weights[rules, parent] = self.binary[parent, left, right]
        return pairs @ weights

    def _lengths(self, x: Tensor) -> Tensor:
        shape, highest, device = ("batch", "length"), self.num_symbols - 1, self.binary.device
        check_tensor("x", x, shape=shape, dtype="integer", device=device, low=PAD, high=highest)
        lengths = (x != PAD).sum(1)
        words_first = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        if bool(((x != PAD) != words_first).any()) or not bool(lengths.all()):
            raise ArgumentError("x: expected words first and padding -1 after them, got otherwise")
        return lengths


def _widen(table: Tensor, used: Tensor) -> Tensor:
    """Double the columns of ``table`` if some row has no free one left."""
    if int(used.max()) < table.shape[1]:
        return table
    return torch.cat([table, torch.full_like(table, PAD)], 1)
