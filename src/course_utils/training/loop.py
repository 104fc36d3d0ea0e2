"""The training loop, to be read from top to bottom in ``fit``.

``fit`` is longer than functions here should be, so that checks, set-up and loop stand in one place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.arguments import (
    ArgumentError,
    check_choice,
    check_int,
    check_number,
    check_tensor,
)
from course_utils.runtime import show_progress
from course_utils.training.checkpoint import fingerprint, held_interrupt
from course_utils.training.state import AMP_TYPES, TrainingState
from course_utils.training.steps import SCHEDULES, Batch, Batches, rate_factor


@dataclass(frozen=True)
class FitResult:
    """What a training run did.

    Attributes:
        steps: Number of updates made.
        losses: The training loss ``total`` of each step, before its update.
        validation: Pairs (steps made, value of ``validate``).
        best_step: Steps made when ``validate`` was lowest; the last step without ``validate``.
        cpu_seconds: Processor time spent, over all sittings of a resumed run.
    """

    steps: int
    losses: list[float]
    validation: list[tuple[int, float]]
    best_step: int
    cpu_seconds: float = field(compare=False)


def fit(
    model: nn.Module,
    data: Batch,
    *,
    num_steps: int,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    warmup_steps: int = 0,
    schedule: str = "cosine",
    clip_norm: float | None = 1.0,
    ema_decay: float | None = None,
    validate: Callable[[nn.Module], Any] | None = None,
    validate_every: int = 100,
    generator: torch.Generator | None = None,
    device: str | torch.device | None = None,
    amp: bool | str = False,
    compile: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    progress: bool | None = None,
) -> FitResult:
    """Lower ``model.loss(batch)["total"]`` with AdamW, and leave the model ready to use.

    Afterwards the model is in evaluation mode and holds the weights with the lowest ``validate``,
    or without ``validate`` the last ones; with ``ema_decay`` these are averaged weights. All
    randomness, dropout included, follows from one draw of ``generator``.

    Args:
        model: A module whose ``loss(batch)`` returns named scalar terms, one of them ``total``.
        data: A tensor, or a tuple of tensors of equal length, indexed on their first axis; they
            are moved to the device once.
        num_steps: Number of updates.
        batch_size: Examples per update; at least as many as there are means all, unshuffled.
        learning_rate: The schedule's peak.
        weight_decay: Decoupled decay of matrices (and larger arrays), not of biases.
        warmup_steps: Steps of linear rise before the schedule, see ``rate_factor``.
        schedule: ``"cosine"`` or ``"constant"``.
        clip_norm: Gradients longer than this (Euclidean norm over all parameters) are shortened
            to it; ``None`` leaves them.
        ema_decay: Decay of ``WeightAverage``, in [0, 1); ``None`` for no averaging.
        validate: Called as ``validate(model)`` in evaluation mode without gradients, on the
            averaged weights if there are any; lower is better. Its draws do not disturb training.
        validate_every: Steps between calls; the last step is always followed by one.
        generator: Where the run's seeds are drawn from; ``None`` is PyTorch's global stream.
        device: Where to train; ``None`` is where the model is.
        amp: ``"bf16"`` (or ``True``) or ``"fp16"`` for mixed precision. With fp16 the loss is
            scaled, and a step whose scaled gradient overflows is skipped.
        compile: Whether to run the loss through ``torch.compile``.
        checkpoint: A file to save to, and to go on from if it exists. The result is bit for bit
            that of an undisturbed run on the same machine.
        checkpoint_every: Steps between saves; also saved at the start, at the end, and on Ctrl-C.
        progress: Whether to draw a bar; ``None`` draws one unless ``CI`` is set or
            ``COURSE_PROGRESS`` is 0.

    Returns:
        Losses, validation values and processor time of the run.

    Raises:
        ArgumentError: An argument cannot be used.
        TrainingDiverged: At the first loss or gradient that is NaN or infinite. On the CPU the
            model keeps the weights before that step; on a GPU this is looked at every 50 steps.
        CheckpointError: The checkpoint cannot be written, is damaged, or is of another run.
    """
    settings = {
        "num_steps": check_int("num_steps", num_steps, low=1),
        "batch_size": check_int("batch_size", batch_size, low=1),
        "learning_rate": check_number("learning_rate", learning_rate, low=0, open_low=True),
        "weight_decay": check_number("weight_decay", weight_decay, low=0),
        "warmup_steps": check_int("warmup_steps", warmup_steps, low=0, high=num_steps - 1),
        "schedule": check_choice("schedule", schedule, SCHEDULES),
        "clip_norm": clip_norm,
        "ema_decay": ema_decay,
        "validate_every": check_int("validate_every", validate_every, low=1) if validate else None,
        "amp": _amp_name(amp),
    }
    if clip_norm is not None:
        check_number("clip_norm", clip_norm, low=0, open_low=True)
    if ema_decay is not None:
        check_number("ema_decay", ema_decay, low=0, high=1, open_high=True)
    check_int("checkpoint_every", checkpoint_every, low=1)

    device = _place(model, device)
    data = _on_device(data, device)
    generator = torch.default_generator if generator is None else generator
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        settings |= _identity(model, data, generator)
    state = TrainingState(model.train(), settings, generator)
    loss = torch.compile(model.loss) if compile else model.loss

    with state.streams.borrowed(state.seeds[1]), held_interrupt() as interrupted:
        if path is not None and not state.resume(path):
            state.save(path)
        batches = Batches(data, batch_size, state.seeds[0])
        with tqdm(initial=state.step, total=num_steps, disable=not show_progress(progress)) as bar:
            while state.step < num_steps and not interrupted.is_set():
                factor = rate_factor(
                    state.step, num_steps, warmup_steps=warmup_steps, schedule=schedule
                )
                state.set_rate(learning_rate * factor)
                state.compute_gradients(loss, batches(state.step))
                state.update()
                bar.update()
                last = state.step == num_steps
                if validate is not None and (last or state.step % validate_every == 0):
                    state.validate(validate)
                if path is not None and (last or state.step % checkpoint_every == 0):
                    state.save(path)
        if path is not None and interrupted.is_set():
            state.save(path)
    state.finish()
    return FitResult(state.step, state.losses, state.validation, state.best_step, state.cpu_seconds)


def _place(model: nn.Module, device: str | torch.device | None) -> torch.device:
    """Move the model to the device, if one is named, and return where it is."""
    if not callable(getattr(model, "loss", None)):
        raise ArgumentError(
            f"model: expected a module with a loss(batch) method, got {type(model).__name__}"
        )
    if device is not None:
        try:
            model.to(device)
        except (RuntimeError, AssertionError):
            raise ArgumentError(
                f"device: expected a device of this machine, got {str(device)!r}"
            ) from None
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise ArgumentError(
            f"model: expected at least one trainable parameter, got none in {type(model).__name__}"
        )
    return trainable[0].device


def _on_device(data: Batch, device: torch.device) -> Batch:
    """Check the data and move them to the device, once and for all."""
    tensors = (data,) if isinstance(data, Tensor) else data
    if not (isinstance(tensors, tuple) and tensors):
        raise ArgumentError(f"data: expected a tensor or a tuple of tensors, got {data!r:.60}")
    for x in tensors:
        check_tensor("data", x)
        if x.ndim == 0:
            raise ArgumentError("data: expected a tensor with a first axis of examples, got none")
    lengths = [len(x) for x in tensors]
    if len(set(lengths)) > 1:
        raise ArgumentError(f"data: expected tensors of equal length, got lengths {lengths}")
    moved = tuple(x.to(device) for x in tensors)
    return moved[0] if isinstance(data, Tensor) else moved


def _identity(model: nn.Module, data: Batch, generator: torch.Generator) -> dict[str, Any]:
    """What, beside the arguments, makes a run this run and no other."""
    weights = [f"{k} {tuple(v.shape)} {v.dtype}" for k, v in model.state_dict().items()]
    return {
        "device": next(model.parameters()).device.type,
        "weights": ", ".join(weights),
        "data": fingerprint((data,) if isinstance(data, Tensor) else data),
        "seed": generator.initial_seed(),
    }


def _amp_name(amp: bool | str) -> str | None:
    if isinstance(amp, bool):
        return "bf16" if amp else None
    return check_choice("amp", amp, AMP_TYPES)
