"""The loop against closed forms; what it stops at; what it leaves behind."""

import math

import pytest
import torch
from disturbed import NoisyNet, make_data, train
from torch import nn

from course_utils import training
from course_utils.arguments import ArgumentError
from course_utils.training import TrainingDiverged


class Line(nn.Module):
    """y = X w in float64; the loss is half the mean squared error."""

    def __init__(self, start=(0.0, 0.0, 0.0)) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.path = []

    def loss(self, batch):
        self.path.append(self.w.detach().clone())
        x, y = batch
        return {"total": (x @ self.w - y).square().mean() / 2}


@pytest.fixture
def line_data(generator):
    x = torch.randn(40, 3, dtype=torch.float64, generator=generator)
    noise = torch.randn(40, dtype=torch.float64, generator=generator)
    return x, x @ torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64) + noise


def fit(model, data, **options):
    return training.fit(model, data, **({"progress": False, "batch_size": 64} | options))


def test_least_squares_reaches_the_normal_equations(line_data):
    """A convex problem with the rate falling to zero: 1e-6 is far above what is left."""
    x, y = line_data
    model = Line()
    result = fit(model, line_data, num_steps=1500, learning_rate=0.1)
    solution = torch.linalg.solve(x.T @ x, x.T @ y)
    assert torch.allclose(model.w.detach(), solution, rtol=0, atol=1e-6)
    assert result.steps == result.best_step == len(result.losses) == 1500
    assert result.losses[0] == pytest.approx(float(y.square().mean() / 2), rel=1e-14)
    assert result.validation == [] and not model.training


def test_steps_are_those_of_torch_adamw_with_the_schedule(line_data):
    model, other = Line(), Line()
    fit(model, line_data, num_steps=30, learning_rate=0.2, warmup_steps=5, clip_norm=None)
    optimiser = torch.optim.AdamW([other.w], lr=0.2, weight_decay=0.0, fused=False, foreach=False)
    factors = [0.2, 0.4, 0.6, 0.8, 1.0]
    factors += [(1 + math.cos(math.pi * k / 25)) / 2 for k in range(25)]
    for factor in factors:
        optimiser.param_groups[0]["lr"] = 0.2 * factor
        optimiser.zero_grad()
        other.loss(line_data)["total"].backward()
        optimiser.step()
    torch.testing.assert_close(model.w, other.w, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("clip_norm", [0.01, 1.0, 100.0, None])
def test_clipping_is_the_formula(line_data, clip_norm):
    """The gradient left after one step is g min(1, c / |g|); torch adds 1e-6 to |g|."""
    x, y = line_data
    model = Line()
    fit(model, line_data, num_steps=1, clip_norm=clip_norm)
    gradient = -x.T @ y / len(y)
    shrink = 1.0 if clip_norm is None else min(1.0, clip_norm / float(gradient.norm()))
    torch.testing.assert_close(model.w.grad, gradient * shrink, rtol=2e-6, atol=0)


def test_averaged_weights_are_the_explicit_sum(line_data):
    last, averaged = Line(), Line()
    fit(last, line_data, num_steps=20, learning_rate=0.1)
    fit(averaged, line_data, num_steps=20, learning_rate=0.1, ema_decay=0.7)
    weights = torch.stack([*last.path[1:], last.w.detach()])
    powers = 0.7 ** torch.arange(19, -1, -1, dtype=torch.float64)
    expected = (powers[:, None] * weights).sum(0) / powers.sum()
    torch.testing.assert_close(averaged.w.detach(), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(torch.stack(last.path), torch.stack(averaged.path))


def test_the_best_validated_weights_stay(line_data):
    values = iter([3.0, 1.0, 2.0, 1.0, math.inf])
    seen = []

    def validate(model):
        assert not model.training and not torch.is_grad_enabled()
        seen.append(model.w.detach().clone())
        return next(values)

    model = Line()
    result = fit(model, line_data, num_steps=9, validate=validate, validate_every=2)
    assert result.validation == [(2, 3.0), (4, 1.0), (6, 2.0), (8, 1.0), (9, math.inf)]
    assert result.best_step == 4
    assert torch.equal(model.w.detach(), seen[1]) and torch.equal(seen[1], model.path[4])


def test_validation_sees_the_averaged_weights_and_training_goes_on_from_its_own(line_data):
    seen = []
    plain, averaged = Line(), Line()
    fit(plain, line_data, num_steps=6, ema_decay=0.5)
    fit(
        averaged,
        line_data,
        num_steps=6,
        ema_decay=0.5,
        validate_every=3,
        validate=lambda model: seen.append(model.w.detach().clone()) or -len(seen),
    )
    assert torch.equal(torch.stack(plain.path), torch.stack(averaged.path))
    assert torch.equal(seen[-1], plain.w.detach())
    expected = (averaged.path[3] + averaged.path[2] / 2 + averaged.path[1] / 4) / 1.75
    torch.testing.assert_close(seen[0], expected, rtol=1e-13, atol=0)


def test_the_result_follows_from_the_generator_alone():
    results = []
    for global_seed, validate_every in ((1, 5), (2, 7)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        generator = torch.Generator().manual_seed(3)
        results.append(train(NoisyNet(), generator, validate_every=validate_every).losses)
        assert torch.equal(torch.get_rng_state(), before)
    assert results[0] == results[1]
    assert train(NoisyNet(), torch.Generator().manual_seed(4)).losses != results[0]


def test_without_a_generator_the_global_stream_decides():
    losses = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        losses.append(train(NoisyNet(), None).losses)
    assert losses[0] == losses[1] != losses[2]


class Planted(Line):
    """Puts ``value`` into the loss, or an infinity into its gradient, at one step."""

    def __init__(self, step: int, value: float | None) -> None:
        super().__init__((1.0, 1.0, 1.0))
        self.step, self.value = step, value

    def loss(self, batch):
        total = super().loss(batch)["total"]
        if len(self.path) == self.step:
            root = (self.w[0] - self.w[0].detach()).abs().sqrt()
            total = total + (root if self.value is None else self.value)
        return {"total": total, "count": torch.tensor(2.0)}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
@pytest.mark.parametrize("step", [1, 7, 10])
def test_stops_at_the_planted_step(line_data, step, value):
    model = Planted(step, value)
    with pytest.raises(TrainingDiverged) as caught:
        fit(model, line_data, num_steps=10)
    error = caught.value
    assert error.step == step and set(error.terms) == {"total", "count", "gradient norm"}
    wrong = error.terms["gradient norm" if value is None else "total"]
    assert not math.isfinite(wrong) and error.terms["count"] == 2
    assert str(error).startswith(f"training diverged at step {step}: total = ")
    assert "\n" not in str(error) and "count = 2, gradient norm = " in str(error)
    assert torch.equal(model.w.detach(), model.path[-1])


def test_stops_at_a_validation_that_is_no_number(line_data):
    with pytest.raises(TrainingDiverged, match="at step 4: validate = nan"):
        fit(Line(), line_data, num_steps=9, validate_every=4, validate=lambda model: math.nan)


class Half(nn.Module):
    """Records the type its product comes in; ``scale`` makes the fp16 gradient overflow."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.eye(4))
        self.scale, self.types, self.path = scale, set(), []

    def loss(self, batch):
        self.path.append(self.w.detach().clone())
        product = batch @ self.w
        self.types.add(product.dtype)
        return {"total": (product.float().square().mean() * self.scale)}


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [
        (False, torch.float32),
        (True, torch.bfloat16),
        ("bf16", torch.bfloat16),
        ("fp16", torch.float16),
    ],
)
def test_mixed_precision_multiplies_in_the_short_type(generator, amp, dtype):
    model = Half()
    result = fit(model, torch.randn(8, 4, generator=generator), num_steps=20, amp=amp)
    assert model.types == {dtype} and model.w.dtype == torch.float32
    assert result.losses[-1] < result.losses[0]


def test_fp16_skips_overflowing_steps_and_then_learns(generator):
    """The scale starts at 2^16 and halves until the gradient, about 100, fits under 65504."""
    model = Half(scale=300.0)
    result = fit(model, torch.randn(8, 4, generator=generator), num_steps=40, amp="fp16")
    moved = [not torch.equal(a, b) for a, b in zip(model.path, model.path[1:], strict=False)]
    first = moved.index(True)
    assert first >= 2 and all(moved[first:])
    assert len(result.losses) == 40 and result.losses[-1] < result.losses[0]


def test_fp16_clips_the_gradient_without_the_scale(generator):
    """Clipped to 1e-3 Adam moves each weight by 0.1 a step; 2^-16 of that is lost in its epsilon.

    Half precision rounds gradients by 1e-3, and the tolerance is ten times that of three steps.
    """
    x = torch.randn(8, 4, generator=generator)
    exact, half = Half(scale=0.01), Half(scale=0.01)
    for model, amp in ((exact, False), (half, "fp16")):
        fit(model, x, num_steps=3, learning_rate=0.1, clip_norm=1e-3, amp=amp)
    assert not torch.equal(half.path[0], half.path[1])
    torch.testing.assert_close(half.w, exact.w, rtol=0, atol=3e-3)


def test_fp16_gives_up_on_a_gradient_that_is_infinite_at_any_scale(generator):
    model = Half(scale=1e8)
    with pytest.raises(TrainingDiverged, match="gradient norm = "):
        fit(model, torch.randn(8, 4, generator=generator), num_steps=40, amp="fp16")


def test_compile_is_passed_on(line_data, monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "compile", lambda f: lambda batch: calls.append(1) or f(batch))
    fit(Line(), line_data, num_steps=3, compile=True)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("environment", "progress", "drawn"),
    [
        ({}, None, True),
        ({"CI": "true"}, None, False),
        ({"COURSE_PROGRESS": "0"}, None, False),
        ({"CI": "true"}, True, True),
        ({}, False, False),
    ],
)
def test_progress_bar_is_quiet_when_nobody_watches(
    line_data, monkeypatch, capsys, environment, progress, drawn
):
    for name in ("CI", "COURSE_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    fit(Line(), line_data, num_steps=3, progress=progress)
    out, err = capsys.readouterr()
    assert out == "" and ("3/3" in err) is drawn and bool(err) is drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "num_steps: expected a whole number >= 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number >= 1, got 0"),
        ({"learning_rate": -1.0}, "learning_rate: expected a number > 0, got -1.0"),
        ({"learning_rate": math.nan}, "learning_rate: expected a number > 0, got nan"),
        ({"warmup_steps": 3}, "warmup_steps: expected a whole number >= 0 and <= 2, got 3"),
        ({"schedule": "linear"}, "schedule: expected one of 'cosine', 'constant', got 'linear'"),
        ({"clip_norm": 0.0}, "clip_norm: expected a number > 0, got 0.0"),
        ({"ema_decay": 1.0}, "ema_decay: expected a number >= 0 and < 1, got 1.0"),
        ({"amp": "fp8"}, "amp: expected one of 'bf16', 'fp16', got 'fp8'"),
        ({"validate_every": 0, "validate": id}, "validate_every: expected a whole number >= 1"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected a whole number >= 1, got 0"),
        ({"device": "cuda:99"}, "device: expected a device of this machine, got 'cuda:99'"),
        ({"device": "tpu"}, "device: expected a device of this machine, got 'tpu'"),
    ],
)
def test_bad_options_get_one_line(as_user, line_data, options, message):
    with pytest.raises(ArgumentError) as error:
        fit(Line(), line_data, **({"num_steps": 3} | options))
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((), "data: expected a tensor or a tuple of tensors, got ()"),
        ([1.0], "data: expected a tensor or a tuple of tensors, got [1.0]"),
        (torch.empty(0, 3), "data: expected at least one element, got an empty tensor"),
        (torch.tensor([[1.0, math.nan]]), "data: expected finite values, got 1 NaN or infinite"),
        ((torch.ones(3), torch.ones(2)), "data: expected tensors of equal length, got lengths"),
        (torch.tensor(1.0), "data: expected a tensor with a first axis of examples"),
    ],
)
def test_bad_data_get_one_line(as_user, data, message):
    with pytest.raises(ArgumentError) as error:
        fit(Line(), data, num_steps=3)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda w: w.sum(), "model: expected loss(batch) to return a dict with the term 'total'"),
        (lambda w: {"nll": w.sum()}, "model: expected loss(batch) to return a dict with the term"),
        (lambda w: {"total": w}, "model: expected loss term 'total' to be one number, got shape"),
        (lambda w: {"total": 1.0}, "model: expected loss term 'total' to be one number, got 1.0"),
        (lambda w: {"total": w.detach().sum()}, "model: expected the loss to depend on trainable"),
    ],
)
def test_bad_losses_get_one_line(as_user, line_data, loss, message):
    model = Line()
    model.loss = lambda batch: loss(model.w)
    with pytest.raises(ArgumentError) as error:
        fit(model, line_data, num_steps=3)
    assert str(error.value).startswith(message)


def test_bad_models_get_one_line(line_data):
    with pytest.raises(ArgumentError, match=r"expected a module with a loss\(batch\) method"):
        fit(nn.Linear(2, 2), line_data, num_steps=3)
    frozen = Line()
    frozen.w.requires_grad_(False)
    with pytest.raises(ArgumentError, match="expected at least one trainable parameter, got none"):
        fit(frozen, line_data, num_steps=3)


def test_small_batches_also_learn(line_data):
    x, y = line_data
    model = Line()
    fit(model, line_data, num_steps=1500, batch_size=8, learning_rate=0.1, ema_decay=0.99)
    solution = torch.linalg.solve(x.T @ x, x.T @ y)
    assert torch.allclose(model.w.detach(), solution, rtol=0, atol=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("amp", [False, "bf16", "fp16"])
def test_on_a_gpu_the_run_resumes_and_stops_at_the_planted_step(tmp_path, amp):
    def run(model, **options):
        generator = torch.Generator("cuda").manual_seed(3)
        return train(model, generator, device="cuda", validate=None, amp=amp, **options)

    whole, resumed, path = NoisyNet(), NoisyNet(), tmp_path / "run.pt"
    result = run(whole)

    def crash(step):
        if step == 11:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(NoisyNet(crash), checkpoint=path)
    assert run(resumed, checkpoint=path) == result
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert one.is_cuda and torch.equal(one, other)
    with pytest.raises(TrainingDiverged, match="at step 7:"):
        fit(Planted(7, math.nan), tuple(t.double() for t in make_data()), num_steps=10, amp=amp,
            device="cuda")  # fmt: skip
