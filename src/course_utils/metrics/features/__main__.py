"""Train a feature network and write its weights: ``python -m course_utils.metrics.features -h``."""

import argparse
from pathlib import Path

import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.features.stored import store
from course_utils.metrics.features.training import RECIPES

_COMMAND = "python -m course_utils.metrics.features"
_SHORT_RUN = 5


def main(arguments: list[str] | None = None) -> None:
    """Train the network the command line asks for, and print the record of its training."""
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Train one of the course's feature networks and write its weights.",
    )
    parser.add_argument("name", choices=sorted(RECIPES), help="which images it is for")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--seed", type=int, default=0, help="where all randomness comes from")
    parser.add_argument("--steps", type=int, help="updates, instead of the recipe's number")
    asked = parser.parse_args(arguments)
    if not asked.out.parent.is_dir():
        parser.error(f"--out: expected a file in an existing folder, got {str(asked.out)!r}")
    try:
        record = train(asked.name, asked.out, asked.seed, asked.steps)
    except ArgumentError as error:
        parser.error(str(error))
    for key, value in record.items():
        print(f"{key}: {value}")


def train(name: str, out: Path, seed: int, num_steps: int | None) -> dict[str, str]:
    """Train one network, write it to ``out`` and return the record written beside the weights."""
    torch.set_num_threads(1)
    recipe = RECIPES[name]
    steps = recipe.num_steps if num_steps is None else num_steps
    _, short = recipe.train(seed, _SHORT_RUN)
    network, result = recipe.train(seed, steps)
    held_out_seed = seed + 1
    accuracy = recipe.accuracy(network, torch.Generator().manual_seed(held_out_seed))
    record = {
        "command": f"{_COMMAND} {name} --out {out.name} --seed {seed} --steps {steps}",
        "seed": str(seed),
        "torch": torch.__version__,
        "cpu_seconds": f"{result.cpu_seconds:.0f}",
        "held_out_accuracy": f"{accuracy:.4f}",
        "held_out_seed": str(held_out_seed),
        "first_losses": " ".join(f"{loss:.6f}" for loss in short.losses),
    }
    store(out, network, record)
    return record


if __name__ == "__main__":
    main()
