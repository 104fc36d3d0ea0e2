"""The four questions asked of every model and every world, and who can answer them.

| task   | method                     | answer                                      |
| ------ | -------------------------- | ------------------------------------------- |
| sample | `sample(num_samples, ...)` | examples, `(num_samples, *event)`           |
| score  | `log_prob(x)`              | nats per example                            |
| infer  | `posterior(x)`             | the distribution of what is hidden, given x |
| learn  | `loss(batch)`              | named terms and their `total`               |

A family whose log p(x) is out of reach may have a lower bound of it instead, `elbo(x)`; then its
answer to the second question is a bound, and `log_prob` raises `Intractable` like any task that is
absent. A family that cannot answer one of them does not return a wrong number and does not merely
lack the method: it raises `Intractable`, which says why and where the course explains it.
`CAPABILITIES` collects the answers of all families; a test holds it against the classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from course_utils.arguments import check_choice

METHODS = {"sample": "sample", "score": "log_prob", "infer": "posterior", "learn": "loss"}
"""The method that answers each task."""

BOUND_METHOD = "elbo"
"""The method of a family that scores by a lower bound on log p(x), in nats, not by ``log_prob``."""

Answer = Literal["exact", "bound", "estimate", "absent"]
"""How well a task is answered; see ``Capability``."""


class Intractable(Exception):
    """A family was asked for what it cannot give; the message says why and where to read on."""


@runtime_checkable
class CanSample(Protocol):
    """Draws examples."""

    def sample(
        self,
        num_samples: int,
        *,
        condition: Any = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return examples of shape ``(num_samples, *event)``."""
        ...


@runtime_checkable
class CanScore(Protocol):
    """Evaluates the log-probability (or log-density) of examples."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, shape ``(batch,)``, summed over the event's axes."""
        ...


@runtime_checkable
class CanInfer(Protocol):
    """Finds what is hidden, given what is observed."""

    def posterior(self, x: Tensor) -> Any:
        """Return the distribution of the hidden variables given each row of ``x``."""
        ...


@runtime_checkable
class CanLearn(Protocol):
    """Gives the objective that ``training.fit`` lowers."""

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Return named scalar terms; ``total`` is the one to minimise, in the unit documented."""
        ...


def absent(task: str, reason: str, see: str) -> Callable[..., Any]:
    """Return a method that raises ``Intractable``, for a task that a family cannot do.

    A class uses it as ``posterior = absent("infer", "it has no hidden variables.", "week 1")``.

    Args:
        task: ``"sample"``, ``"score"``, ``"infer"`` or ``"learn"``.
        reason: One sentence saying why, ending in a full stop.
        see: Where the course explains it.
    """
    check_choice("task", task, METHODS)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise Intractable(f"{type(self).__name__} cannot {task}: {reason} See {see}.")

    method.__name__ = METHODS[task]
    method.__doc__ = f"Raise ``Intractable``: {reason} See {see}."
    method.is_absent = True
    return method


nothing_to_learn = absent(
    "learn", "a world's parameters are known, so nothing is left to fit.", "the architecture page"
)
"""The ``loss`` of every world, written ``loss = nothing_to_learn`` in its class."""


def can(subject: Any, task: str) -> bool:
    """Say whether ``subject`` (an instance or a class) answers ``task`` by its own method.

    A bound of log p(x) does not count as an answer to ``"score"``: nobody may take it for one.
    """
    method = getattr(subject, METHODS[check_choice("task", task, METHODS)], None)
    return callable(method) and not getattr(method, "is_absent", False)


@dataclass(frozen=True)
class Capability:
    """One row of the table: how well a family answers each of the four questions.

    ``"exact"`` is up to rounding; ``"bound"`` is on a known side of the truth; ``"estimate"`` is
    random or biased; ``"absent"`` raises ``Intractable``. In the last column ``"exact"`` means that
    the quantity lowered is the negative log-likelihood itself, not that its minimum is found.

    Attributes:
        family: The name used in the text.
        symbol: Dotted path of the class; a string, so that this module imports no family.
        sample: How it draws examples.
        score: How it evaluates their probability.
        infer: How it finds hidden variables.
        learn: How it evaluates its training objective.
    """

    family: str
    symbol: str
    sample: Answer
    score: Answer
    infer: Answer
    learn: Answer


def _world(family: str, path: str, infer: Answer) -> Capability:
    """A world knows its own law, so it samples and scores exactly and has nothing to learn."""
    return Capability(family, f"course_utils.worlds.{path}", "exact", "exact", infer, "absent")


def _autoregressive(family: str, path: str) -> Capability:
    """Everything is observed, in order: exact on three tasks, and nothing hidden to infer."""
    symbol = f"course_utils.models.autoregressive.{path}"
    return Capability(family, symbol, "exact", "exact", "absent", "exact")


def _variational(family: str, path: str) -> Capability:
    """Draws exactly; what it lowers and what it knows of log p(x) is a bound; q is a stand-in."""
    symbol = f"course_utils.models.{path}"
    return Capability(family, symbol, "exact", "bound", "estimate", "bound")


def _coder(family: str, path: str) -> Capability:
    """Codes have no law yet: nothing to draw or to score with, one guess at what is hidden."""
    symbol = f"course_utils.models.vq.{path}"
    return Capability(family, symbol, "absent", "absent", "estimate", "estimate")


def _weighted(family: str, path: str) -> Capability:
    """A variational family that lowers something else than minus its bound."""
    symbol = f"course_utils.models.{path}"
    return Capability(family, symbol, "exact", "bound", "estimate", "estimate")


def _given(family: str, path: str) -> Capability:
    """Its parameters are given or counted, not lowered towards; the rest is exact."""
    symbol = f"course_utils.models.{path}"
    return Capability(family, symbol, "exact", "exact", "exact", "absent")


CAPABILITIES = (
    _world("Table", "tables.TableWorld", infer="exact"),
    _world("Markov source", "sequences.MarkovSource", infer="absent"),
    _world("Hidden Markov source", "sequences.HiddenMarkovSource", infer="exact"),
    _world("Grammar source", "sequences.GrammarSource", infer="exact"),
    _world("Copies at a distance", "sequences.CopySource", infer="absent"),
    _world("Parities of blocks", "sequences.ParitySource", infer="absent"),
    _world("Nested brackets", "sequences.BracketSource", infer="absent"),
    _world("Gaussian mixture in the plane", "plane.PlaneMixture", infer="exact"),
    _world("Checkerboard", "plane.Checkerboard", infer="exact"),
    _world("Funnel", "plane.Funnel", infer="absent"),
    _world("Banana", "plane.Banana", infer="absent"),
    _world("Autoregressive source", "signals.AutoregressiveSource", infer="absent"),
    _world("Sinusoids in noise", "signals.SinusoidSource", infer="exact"),
    _world("Gaussian signal in noise", "signals.NoisySignal", infer="exact"),
    _world("Depth at which a fog stops light", "solids.StoppingDepth", infer="absent"),
    _world("Scenes with Gaussian noise", "scenes.GaussianScenes", infer="exact"),
    _world("Quantised scenes", "scenes.QuantisedScenes", infer="exact"),
    _world("Graphs with independent edges", "graphs.GilbertGraphs", infer="absent"),
    _world("Graphs with a fixed number of edges", "graphs.ErdosRenyiGraphs", infer="absent"),
    _world("Block model, blocks given", "graphs.BlockModel", infer="absent"),
    _world("Block model, blocks hidden", "graphs.LatentBlockModel", infer="exact"),
    _world("Preferential attachment", "graphs.PreferentialAttachment", infer="absent"),
    _world("Molecules", "graphs.Molecules", infer="exact"),
    _autoregressive("n-gram", "ngram.NGram"),
    _autoregressive("AR(p) process", "arp.ARProcess"),
    _autoregressive("Neural language model", "neural_lm.NeuralLM"),
    _autoregressive("Window model", "window.WindowModel"),
    _autoregressive("FVSBN", "fvsbn.FVSBN"),
    _autoregressive("NADE", "nade.NADE"),
    _autoregressive("MADE", "made.MADE"),
    _autoregressive("GPT", "gpt.GPT"),
    _autoregressive("Image GPT", "image_gpt.ImageGPT"),
    Capability(
        "Masked prediction",
        "course_utils.models.masked_lm.MaskedLM",
        "estimate",
        "absent",
        "absent",
        "estimate",
    ),
    _autoregressive("Recurrent language model", "rnn_lm.RecurrentLM"),
    _autoregressive("WaveNet", "wavenet.WaveNet"),
    _autoregressive("PixelCNN", "pixelcnn.PixelCNN"),
    _autoregressive("Gated PixelCNN", "pixelcnn.GatedPixelCNN"),
    _autoregressive("PixelRNN", "pixelrnn.PixelRNN"),
    _autoregressive("PixelCNN++", "pixelcnnpp.PixelCNNPP"),
    _autoregressive("Ensemble of autoregressive models", "ensemble.Ensemble"),
    Capability(
        "Linear-Gaussian model",
        "course_utils.models.latent.linear_gaussian.LinearGaussian",
        "exact",
        "exact",
        "exact",
        "absent",
    ),
    _variational("Variational autoencoder", "latent.vae.VAE"),
    _variational("Importance-weighted autoencoder", "latent.iwae.IWAE"),
    _coder("VQ-VAE, codes without a prior", "vqvae.VQVAE"),
    _coder("VQ-VAE-2, codes without a prior", "vqvae2.VQVAE2"),
    _variational("VQ-VAE with a prior over codes", "vq.code_prior.CodeModel"),
    Capability(
        "Linear hierarchy",
        "course_utils.models.latent.linear_hierarchy.LinearHierarchy",
        "exact",
        "exact",
        "exact",
        "absent",
    ),
    _variational("Hierarchical VAE", "latent.hierarchical.HierarchicalVAE"),
    _variational("Ladder VAE", "latent.ladder.LadderVAE"),
    _variational(
        "VAE with an autoregressive decoder", "latent.autoregressive_decoder.AutoregressiveVAE"
    ),
    Capability(
        "Classical autoencoder",
        "course_utils.models.latent.autoencoder.Autoencoder",
        "absent",
        "absent",
        "absent",
        "estimate",
    ),
    _weighted("β-VAE", "latent.beta.BetaVAE"),
    _weighted("FactorVAE", "latent.factor.FactorVAE"),
    Capability(
        "Table with a hidden variable",
        "course_utils.models.table.TableModel",
        "exact",
        "exact",
        "exact",
        "exact",
    ),
    Capability(
        "Gaussian mixture",
        "course_utils.models.classical.mixture.GaussianMixture",
        "exact",
        "exact",
        "exact",
        "absent",
    ),
    Capability(
        "Factor analysis",
        "course_utils.models.classical.factor_analysis.FactorAnalysis",
        "exact",
        "exact",
        "exact",
        "absent",
    ),
    _given("Bayesian network", "graphical.directed.BayesNet"),
    _given("Tosses of unknown coins", "graphical.tosses.CoinTosses"),
    _given("Linear-Gaussian state space", "graphical.kalman.StateSpace"),
    Capability(
        "Ising model", "course_utils.models.ising.Ising", "exact", "exact", "absent", "exact"
    ),
    Capability(
        "Tree-shaped circuit",
        "course_utils.models.circuits.layered.CircuitTree",
        "exact",
        "exact",
        "exact",
        "exact",
    ),
)
"""The table of all families."""


def density_kind(row: Capability) -> str:
    """Say what a family knows of its own density.

    Returns:
        ``"explicit"`` if log p(x) is computed, ``"bounded"`` if it is known to lie above a bound,
        ``"implicit"`` if examples can be drawn and not scored, ``"none"`` if neither.
    """
    if row.score in ("exact", "bound"):
        return "explicit" if row.score == "exact" else "bounded"
    return "none" if row.sample == "absent" else "implicit"


def capability_rows(
    capabilities: tuple[Capability, ...] = CAPABILITIES,
) -> list[dict[str, str]]:
    """Return the table as a list of rows, ``{"family": ..., "sample": "exact", ...}``, to print."""
    columns = ("family", *METHODS)
    return [{column: getattr(row, column) for column in columns} for row in capabilities]
