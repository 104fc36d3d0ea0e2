"""A finite set of renderings: discrete factors, and the one picture or clip each setting makes.

Whatever the renderings show, a mixture over them needs only this much: the factors as a table of
levels, the renderings as a tensor, and words for both. One object or two, grey or coloured, still
or moving are subclasses, each of which says what its factors are, how they look, and how they are
put into words. Reading words back is a look-up in the finite table, hence an exact inverse.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_choice, check_int, check_tensor
from course_utils.worlds.scenes.graph import SceneGraph


@dataclass(frozen=True)
class Renderings(ABC):
    """All K = Π_f L_f settings of the factors f, each with its rendering r_k.

    Args:
        size: Height and width in pixels, ≥ 2.
        dtype: Floating type of the renderings.
        device: Where the renderings live.

    Attributes:
        LEVELS: Name of each factor, and the words for its levels 0 … L_f − 1.
        EXAMPLE: One of the captions.
        CLASS_FACTOR: The factor that is the class label.
    """

    size: int = 16
    dtype: torch.dtype = torch.float32
    device: str | torch.device = "cpu"

    LEVELS: ClassVar[Mapping[str, tuple[str, ...]]]
    EXAMPLE: ClassVar[str]
    CLASS_FACTOR: ClassVar[str] = "shape"

    def __post_init__(self) -> None:
        check_int("size", self.size, low=2)

    @property
    @abstractmethod
    def renderings(self) -> Float[Tensor, "scenes *event"]:
        """Pictures or clips with values in [0, 1]; the last two axes are row and column."""

    @abstractmethod
    def _write(self, words: Mapping[str, str]) -> tuple[str, ...]:
        """Captions of the scene whose factors have these words, the usual one first."""

    @abstractmethod
    def _draw_graph(self, words: Mapping[str, str]) -> SceneGraph:
        """Scene graph of the scene whose factors have these words."""

    def __len__(self) -> int:
        return math.prod(self.num_levels)

    @property
    def num_levels(self) -> tuple[int, ...]:
        """Number L_f of levels of each factor."""
        return tuple(len(names) for names in self.LEVELS.values())

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one rendering."""
        return tuple(self.renderings.shape[1:])

    @functools.cached_property
    def factors(self) -> Int[Tensor, "scenes factors"]:
        """Level of every factor in every scene, the last factor running fastest."""
        return torch.cartesian_prod(*(torch.arange(k, device=self.device) for k in self.num_levels))

    @property
    def captions(self) -> list[str]:
        """One caption per scene."""
        return [self._write(words)[0] for words in self._words]

    def caption(self, factors: Int[Tensor, " factors"]) -> str:
        """Caption of one scene.

        Args:
            factors: A level of every factor.
        """
        return self._write(self._words[int(self.index(factors))])[0]

    def parse(self, text: str) -> Int[Tensor, " factors"]:
        """Factors of a caption, the inverse of ``caption``.

        Raises:
            ArgumentError: If the text is not a caption of this world.
        """
        if text not in self._by_caption:
            raise ArgumentError(f"text: expected a caption like {self.EXAMPLE!r}, got {text!r}")
        return self.factors[self._by_caption[text]].clone()

    def scene_graph(self, factors: Int[Tensor, " factors"]) -> SceneGraph:
        """Objects, attributes and relations of one scene.

        Args:
            factors: A level of every factor.
        """
        return self._draw_graph(self._words[int(self.index(factors))])

    def parse_graph(self, graph: SceneGraph) -> Int[Tensor, " factors"]:
        """Factors of a scene graph, the inverse of ``scene_graph``.

        Raises:
            ArgumentError: If no scene of this world has this graph.
        """
        if graph not in self._by_graph:
            raise ArgumentError(f"graph: expected the graph of one of the scenes, got {graph}")
        return self.factors[self._by_graph[graph]].clone()

    def index(self, factors: Int[Tensor, "*batch factors"]) -> Int[Tensor, "*batch"]:
        """Number k of the scene with these factors, its position along the scene axis."""
        self._check_factors(factors, low=0)
        counts = self.num_levels
        strides = [math.prod(counts[i + 1 :]) for i in range(len(counts))]
        return (factors * torch.tensor(strides, device=factors.device)).sum(-1)

    def condition(self, **words: str) -> Int[Tensor, " factors"]:
        """Factors of which only some are given, as in ``condition(shape="disc", size="small")``.

        Returns:
            Levels, −1 where a factor is free; what ``matches`` and ``sample`` take.

        Raises:
            ArgumentError: If a factor or a level does not exist.
        """
        for name, word in words.items():
            check_choice("condition", name, tuple(self.LEVELS))
            check_choice(name, word, self.LEVELS[name])
        levels = [
            names.index(words[name]) if name in words else -1 for name, names in self.LEVELS.items()
        ]
        return torch.tensor(levels, device=self.device)

    def matches(self, condition: Int[Tensor, " factors"]) -> Int[Tensor, " matches"]:
        """Numbers of all scenes that agree with ``condition``, where −1 leaves a factor free."""
        self._check_factors(condition, low=-1)
        agree = (condition < 0) | (self.factors == condition)
        return agree.all(1).nonzero().flatten()

    @property
    def num_classes(self) -> int:
        """Number of class labels."""
        return len(self.LEVELS[self.CLASS_FACTOR])

    def labels(self, index: Int[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
        """Class label 0 … ``num_classes`` − 1 of the scenes numbered ``index``.

        The label is the level of ``CLASS_FACTOR``; its words are ``LEVELS[CLASS_FACTOR]``.
        """
        check_tensor("index", index, dtype="integer", low=0, high=len(self) - 1)
        return self.factors[:, list(self.LEVELS).index(self.CLASS_FACTOR)][index]

    @functools.cached_property
    def _words(self) -> list[dict[str, str]]:
        names = self.LEVELS.items()
        return [
            {name: words[level] for level, (name, words) in zip(row, names, strict=True)}
            for row in self.factors.tolist()
        ]

    @functools.cached_property
    def _by_caption(self) -> dict[str, int]:
        return {text: k for k, words in enumerate(self._words) for text in self._write(words)}

    @functools.cached_property
    def _by_graph(self) -> dict[SceneGraph, int]:
        return {self._draw_graph(words): k for k, words in enumerate(self._words)}

    def _check_factors(self, factors: Tensor, low: int) -> None:
        check_tensor("factors", factors, shape=("...", len(self.LEVELS)), dtype="integer", low=low)
        if bool((factors < torch.tensor(self.num_levels, device=factors.device)).all()):
            return
        for i, (name, names) in enumerate(self.LEVELS.items()):
            check_tensor(f"factors[{i}] ({name})", factors[..., i], high=len(names) - 1)
