"""The feature networks that come with the course, read from small files beside the code."""

import json
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load, save

from course_utils.arguments import ArgumentError, check_choice
from course_utils.metrics.features.network import FeatureNetwork
from course_utils.metrics.features.training import RECIPES

_FILES = {"scenes": "features_scenes.safetensors", "digits": "features_digits.safetensors"}
_LENGTH_BYTES = 8


def scene_features(device: str | torch.device | None = None) -> FeatureNetwork:
    """The network trained on scenes: 32 features, 400 classes in the order of ``Scenes``.

    Args:
        device: Where the weights live; ``None`` is the CPU.

    Returns:
        A network in evaluation mode for images (batch, 16, 16) with brightness 0 to 1. The
        probabilities of one factor are ``label_probabilities(x)["shape"]`` and so on.

    Raises:
        ArgumentError: If this machine has no such device.

    Accuracy:
        ``training_record("scenes")``.
    """
    return _stored("scenes", device)


def digit_features(device: str | torch.device | None = None) -> FeatureNetwork:
    """The network trained on the digits' train part: 32 features, 10 classes.

    Args:
        device: Where the weights live; ``None`` is the CPU.

    Returns:
        A network in evaluation mode for images (batch, 8, 8) with grey levels 0 to 16, whole or
        real numbers.

    Raises:
        ArgumentError: If this machine has no such device.

    Accuracy:
        ``training_record("digits")``.
    """
    return _stored("digits", device)


def training_record(name: str) -> dict[str, str]:
    """What is written beside the weights about how they came to be.

    Args:
        name: ``"scenes"`` or ``"digits"``.

    Returns:
        ``command``, ``seed``, ``torch``, ``cpu_seconds`` of the training, ``held_out_accuracy``
        and the ``held_out_seed`` it was measured with, and ``first_losses``, what the first
        updates of a short run from the same seed report.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    content = _read(name)
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    return json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])["__metadata__"]


def store(path: Path, network: FeatureNetwork, record: dict[str, str]) -> None:
    """Write the weights and the record of their training to a safetensors file.

    Args:
        path: The file; its folder has to exist.
        network: Whose weights.
        record: What ``training_record`` will return.

    Raises:
        OSError: If the file cannot be written.
    """
    weights = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    path.write_bytes(save(weights, metadata=record))


def _stored(name: str, device: str | torch.device | None) -> FeatureNetwork:
    network = RECIPES[name].network()
    network.load_state_dict(load(_read(name)))
    try:
        return network.eval().requires_grad_(False).to(device or "cpu")
    except (RuntimeError, AssertionError):
        raise ArgumentError(
            f"device: expected a device of this machine, got {str(device)!r}"
        ) from None


def _read(name: str) -> bytes:
    check_choice("name", name, _FILES)
    return resources.files("course_utils").joinpath("_data", _FILES[name]).read_bytes()
