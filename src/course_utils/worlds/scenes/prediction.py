"""What comes next in a clip? The posterior predictive distribution, exactly.

Let a be the first frames of a clip and b the rest. Given the scene k the frames' noise is
independent, so all that a says about b goes through the scene:

    p(b | a) = Σ_k p(k | a) p(b | k),    p(k | a) ∝ p(a | k).

The first frames are a world of their own, the same scenes watched for a shorter time; its
posterior is p(k | a), and p(b | a) = p(a, b) / p(a).
"""

import dataclasses

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import sample_categorical
from course_utils.worlds.scenes.gaussian import GaussianScenes
from course_utils.worlds.scenes.mixture import SceneMixture
from course_utils.worlds.scenes.motion import MovingScenes


def next_frames_log_prob(
    world: SceneMixture,
    first: Float[Tensor, "batch first size size"] | Int[Tensor, "batch first size size"],
    following: Float[Tensor, "batch rest size size"] | Int[Tensor, "batch rest size size"],
) -> Float[Tensor, " batch"]:
    """Log density log p(b | a) of the following frames b given the first frames a.

    Args:
        world: A world over ``MovingScenes`` of T frames.
        first: a, at least one and fewer than T frames.
        following: b, all other frames.

    Returns:
        Nats per clip, summed over the pixels of b.

    Accuracy:
        Exact.
    """
    watched = _watched(world, first)
    rest = (len(first), world.scenes.num_frames - first.shape[1], *first.shape[2:])
    check_tensor("following", following, shape=rest)
    return world.log_prob(torch.cat([first, following], 1)) - watched.log_prob(first)


def next_frames_mean(
    world: GaussianScenes, first: Float[Tensor, "batch first size size"]
) -> Float[Tensor, "batch rest size size"]:
    """Best prediction E[b | a] = Σ_k p(k | a) r_k of the following frames.

    Args:
        world: A Gaussian world over ``MovingScenes`` of T frames.
        first: a, at least one and fewer than T frames.

    Returns:
        Frames with the smallest expected squared error; a blur where several futures are open.

    Accuracy:
        Exact.
    """
    posterior = _watched(world, first).posterior(first)
    rest = world.scenes.renderings[:, first.shape[1] :].to(first.dtype)
    return torch.tensordot(posterior, rest, 1)


def sample_next_frames(
    world: SceneMixture,
    first: Float[Tensor, "batch first size size"] | Int[Tensor, "batch first size size"],
    num_samples: int,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw futures b ~ p(b | a): a scene from its posterior, then that scene's frames with noise.

    Args:
        world: A world over ``MovingScenes`` of T frames.
        first: a, at least one and fewer than T frames.
        num_samples: Futures per clip.
        generator: Source of randomness on the device of the scenes.

    Returns:
        Frames, axes (clip, future, frame, row, column).

    Accuracy:
        Exact.
    """
    check_int("num_samples", num_samples, low=1)
    logits = _watched(world, first).component_log_prob(first)
    index = sample_categorical(logits.repeat_interleave(num_samples, 0), generator)
    clips = world.add_noise(index, generator)[:, first.shape[1] :]
    return clips.unflatten(0, (len(first), num_samples))


def _watched(world: SceneMixture, first: Tensor) -> SceneMixture:
    """The world of the first frames alone."""
    scenes = world.scenes
    if not isinstance(scenes, MovingScenes):
        raise ArgumentError(
            f"world: expected a world over MovingScenes, got one over {type(scenes).__name__}"
        )
    check_tensor("first", first, shape=("batch", "first", scenes.size, scenes.size))
    if first.shape[1] >= scenes.num_frames:
        raise ArgumentError(
            f"first: expected fewer frames than the clip's {scenes.num_frames}, "
            f"got {first.shape[1]}"
        )
    shorter = dataclasses.replace(scenes, num_frames=first.shape[1])
    return dataclasses.replace(world, scenes=shorter)
