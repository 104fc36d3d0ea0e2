"""What a run remembers between two steps, and what it does in one."""

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.arguments import ArgumentError
from course_utils.training.checkpoint import (
    RandomStreams,
    check_same_run,
    read_checkpoint,
    write_checkpoint,
)
from course_utils.training.steps import Batch, WeightAverage, make_optimiser

AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of number for mixed precision, by name."""


class TrainingDiverged(RuntimeError):
    """A loss, a gradient or a validation value stopped being a number.

    Attributes:
        step: The step it first happened in, counted from 1.
        terms: Every loss term of that step and the gradient's norm.
    """

    def __init__(self, step: int, terms: dict[str, float]) -> None:
        """Compose the one-line message."""
        self.step, self.terms = step, terms
        values = ", ".join(f"{name} = {value:.4g}" for name, value in terms.items())
        super().__init__(f"training diverged at step {step}: {values}; try a lower learning_rate")


class TrainingState:
    """Model, optimiser, averaged and best weights, random streams and history of one run."""

    def __init__(
        self, model: nn.Module, settings: dict[str, Any], generator: torch.Generator
    ) -> None:
        """Begin at step 0, with two seeds (batches, dropout) drawn from ``generator``."""
        self.model, self.settings, self.generator = model, settings, generator
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimiser = make_optimiser(
            self.parameters, settings["learning_rate"], settings["weight_decay"]
        )
        decay = settings["ema_decay"]
        self.average = None if decay is None else WeightAverage(self.parameters, decay)
        self.amp_type = AMP_TYPES.get(settings["amp"])
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp_type == torch.float16)
        self.seeds = torch.randint(
            2**62, (2,), generator=generator, device=generator.device
        ).tolist()
        self.streams = RandomStreams(self.device)
        self.step, self.best_step = 0, 0
        self.losses: list[float] = []
        self.validation: list[tuple[int, float]] = []
        self.best_weights: dict[str, Tensor] | None = None
        self._names: list[str] = []
        self._unread: list[Tensor] = []
        self._started = time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """Processor time spent on this run so far, earlier sittings included."""
        return time.process_time() - self._started

    def set_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next update."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate

    def compute_gradients(self, loss: Callable[[Batch], dict[str, Tensor]], batch: Batch) -> None:
        """Forward, backward, clip; the terms and the gradient's norm are kept to be read."""
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(
            self.device.type, dtype=self.amp_type, enabled=self.amp_type is not None
        ):
            terms = _checked_terms(loss(batch))
        self.scaler.scale(terms["total"]).backward()
        self.scaler.unscale_(self.optimiser)
        clip_norm = self.settings["clip_norm"]
        norm = nn.utils.clip_grad_norm_(
            self.parameters, math.inf if clip_norm is None else clip_norm
        )
        values = [value.detach().double() for value in (*terms.values(), norm)]
        self._names = [*terms, "gradient norm"]
        self._unread.append(torch.stack(values))
        if self.device.type == "cpu" or len(self._unread) == 50:
            self.read_records()

    def read_records(self) -> None:
        """Fetch the steps' terms (from a GPU 50 steps at once, as each fetch makes it wait).

        Raises:
            TrainingDiverged: A total or a gradient is NaN or infinite. In fp16 an infinite
                gradient is part of the search for the loss's scale as long as that is above 1.
        """
        rows = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        for row in rows:
            terms = dict(zip(self._names, row, strict=True))
            searching = self.scaler.is_enabled() and self.scaler.get_scale() > 1
            finite = math.isfinite(terms["gradient norm"]) or searching
            if not (math.isfinite(terms["total"]) and finite):
                raise TrainingDiverged(len(self.losses) + 1, terms)
            self.losses.append(terms["total"])

    def update(self) -> None:
        """Move the weights, then the averaged weights."""
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)

    def validate(self, validate: Callable[[nn.Module], Any]) -> None:
        """Record ``validate(model)`` and keep the weights if they are the best so far.

        Raises:
            TrainingDiverged: The value is NaN.
        """
        self.read_records()
        in_model = contextlib.nullcontext() if self.average is None else self.average.in_model()
        self.model.eval()
        with torch.no_grad(), self.streams.borrowed(), in_model:
            value = float(validate(self.model))
            if math.isnan(value):
                raise TrainingDiverged(self.step, {"validate": value})
            if self.best_weights is None or value < min(v for _, v in self.validation):
                self.best_step = self.step
                self.best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.validation.append((self.step, value))
        self.model.train()

    def finish(self) -> None:
        """Leave the model in evaluation mode with the best, else averaged, else last weights."""
        self.read_records()
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        else:
            self.best_step = self.step
            if self.average is not None:
                self.average.copy_to_model()
        self.model.eval()

    def save(self, path: Path) -> None:
        """Write everything a bit-exact continuation needs."""
        self.read_records()
        write_checkpoint(
            path,
            {
                "settings": self.settings,
                "step": self.step,
                "seeds": self.seeds,
                "streams": self.streams.get_state(),
                "generator": self.generator.get_state(),
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": None if self.average is None else self.average.values,
                "scaler": self.scaler.state_dict(),
                "losses": self.losses,
                "validation": self.validation,
                "best_step": self.best_step,
                "best_weights": self.best_weights,
                "cpu_seconds": self.cpu_seconds,
            },
        )

    def resume(self, path: Path) -> bool:
        """Take up the run saved at ``path``; return whether there was one.

        Raises:
            CheckpointError: The file is damaged or of another run.
        """
        saved = read_checkpoint(path)
        if saved is None:
            return False
        check_same_run(path, saved["settings"], self.settings)
        self.step, self.seeds, self.losses = saved["step"], saved["seeds"], saved["losses"]
        self.validation, self.best_step = saved["validation"], saved["best_step"]
        self.best_weights = saved["best_weights"]
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.scaler.load_state_dict(saved["scaler"])
        if self.average is not None:
            self.average.load(saved["average"])
        self.streams.set_state(saved["streams"])
        self.generator.set_state(saved["generator"])
        self._started = time.process_time() - saved["cpu_seconds"]
        return True


def _checked_terms(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the terms if they can be minimised; only shapes are looked at, never values."""
    if not isinstance(terms, dict) or "total" not in terms:
        raise ArgumentError("model: expected loss(batch) to return a dict with the term 'total'")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise ArgumentError(f"model: expected loss term {name!r} to be one number, got {came}")
    if not terms["total"].requires_grad:
        raise ArgumentError("model: expected the loss to depend on trainable parameters")
    return {name: value.reshape(()) for name, value in terms.items()}
