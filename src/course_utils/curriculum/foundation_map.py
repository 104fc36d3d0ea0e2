"""Which model holds which building block: every model is built small and looked into.

A claim such as "a Transformer has a multilayer perceptron in every block" is a statement about
objects. ``foundation_map`` makes the objects and counts.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from course_utils.arguments import check_choice
from course_utils.distributions import BernoulliHead, CategoricalHead
from course_utils.models.autoregressive import (
    GPT,
    NADE,
    NeuralLM,
    PixelCNN,
    PixelRNN,
    RecurrentLM,
    WaveNet,
)
from course_utils.models.latent import VAE
from course_utils.models.latent.base import LatentVariableModel
from course_utils.models.masked_lm import MaskedLM
from course_utils.models.vq import VQVAE
from course_utils.models.vq.quantiser import VectorQuantiser
from course_utils.nets.attention import MultiHeadAttention
from course_utils.nets.pixel_lstm import ConvLSTM, DiagonalBiLSTM, RowLSTM
from course_utils.nets.recurrent import Recurrence
from course_utils.nets.transformer import Block

BLOCKS: dict[str, tuple[type, ...]] = {
    "affine map": (nn.Linear,),
    "convolution": (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d),
    "recurrence": (Recurrence, ConvLSTM, DiagonalBiLSTM, RowLSTM),
    "attention": (MultiHeadAttention,),
    "Transformer block": (Block,),
    "embedding": (nn.Embedding,),
    "normalisation": (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d),
    "cross-entropy": (CategoricalHead, BernoulliHead),
    "latent variable": (LatentVariableModel,),
    "codebook": (VectorQuantiser,),
}
"""Building blocks of this and other weeks, and the classes that count as one."""

MODELS: dict[str, Callable[[], Any]] = {
    "NADE": lambda: NADE(4, 3),
    "neural language model": lambda: NeuralLM(3, 2),
    "recurrent language model": lambda: RecurrentLM(3, 4),
    "WaveNet": lambda: WaveNet(CategoricalHead(4), 4, dilations=(1, 2)),
    "PixelCNN": lambda: PixelCNN(4, 4, 3),
    "PixelRNN": lambda: PixelRNN(4, 4, 3),
    "GPT": lambda: GPT(3, 8, dim=8, num_heads=2, num_layers=2),
    "masked language model": lambda: MaskedLM(3, 8, 8, 2, 2),
    "VAE": lambda: VAE.of_perceptrons((4,), 2, CategoricalHead(2), (8,)),
    "VQ-VAE": lambda: VQVAE(4, 4, 3, 4),
}
"""Small members of the families, by name."""

PAIRS: tuple[tuple[str, str], ...] = (
    ("affine map", "GPT"),
    ("affine map", "VAE"),
    ("affine map", "WaveNet"),
    ("convolution", "WaveNet"),
    ("convolution", "PixelCNN"),
    ("convolution", "VQ-VAE"),
    ("recurrence", "recurrent language model"),
    ("recurrence", "PixelRNN"),
    ("attention", "GPT"),
    ("attention", "masked language model"),
    ("Transformer block", "GPT"),
    ("Transformer block", "masked language model"),
    ("embedding", "GPT"),
    ("embedding", "recurrent language model"),
    ("normalisation", "GPT"),
    ("cross-entropy", "GPT"),
    ("cross-entropy", "PixelCNN"),
    ("cross-entropy", "VAE"),
    ("latent variable", "VAE"),
    ("codebook", "VQ-VAE"),
)
"""What the page on prerequisites claims: this block is part of that model."""


def count_blocks(model: Any, block: str) -> int:
    """Number of parts of a model, itself included, that are a building block.

    Looks at the modules of a model and at the plain objects they keep, such as output heads. An
    object that is kept in several places counts once.

    Args:
        model: A model of any family.
        block: A name in ``BLOCKS``.

    Raises:
        ArgumentError: There is no such block.
    """
    kinds = BLOCKS[check_choice("block", block, BLOCKS)]
    modules = list(model.modules()) if isinstance(model, nn.Module) else [model]
    parts = {id(part): part for part in modules}
    for module in modules:
        parts |= {id(kept): kept for kept in vars(module).values()}
    return sum(isinstance(part, kinds) for part in parts.values())


def foundation_map() -> dict[str, dict[str, int]]:
    """Counts of every block in every model: model -> block -> number of parts.

    Builds each model anew, with random weights.
    """
    built = {name: build() for name, build in MODELS.items()}
    return {
        name: {block: count_blocks(model, block) for block in BLOCKS}
        for name, model in built.items()
    }
