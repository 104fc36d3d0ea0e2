"""A stopped run goes on as if nothing had happened, and no accident costs what was saved."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from disturbed import NUM_STEPS, NoisyNet, make_data, train

from course_utils.training import CheckpointError, TrainingDiverged
from course_utils.training.checkpoint import read_checkpoint, write_checkpoint


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def trained(**options):
    """Return the result and all state that a later cell of the notebook could see."""
    model, generator = NoisyNet(), seeded()
    torch.manual_seed(4)
    result = train(model, generator, **options)
    after = torch.rand(3, generator=generator), torch.rand(3)
    return result, model.state_dict(), after


def assert_same(one, other) -> None:
    assert one[0] == other[0]
    assert one[0].losses == other[0].losses and len(one[0].losses) == NUM_STEPS
    for name, value in one[1].items():
        assert torch.equal(value, other[1][name]), name
    assert all(map(torch.equal, one[2], other[2]))


class Crash(Exception):
    pass


def crash_at(count: int):
    def hook(step: int) -> None:
        if step == count:
            raise Crash

    return hook


@pytest.mark.parametrize(
    "options",
    [{}, {"ema_decay": None}, {"validate": None}, {"amp": "fp16"}, {"amp": "bf16"}],
    ids=lambda options: ",".join(map(str, options.values())) or "plain",
)
@pytest.mark.parametrize("step", [1, 2, 9, 16, NUM_STEPS])
def test_resume_is_bit_exact(tmp_path, options, step):
    path = tmp_path / "run.pt"
    with pytest.raises(Crash):
        train(NoisyNet(crash_at(step)), seeded(), checkpoint=path, **options)
    assert_same(trained(checkpoint=path, **options), trained(**options))


def test_two_crashes_and_a_finished_run_come_to_the_same(tmp_path):
    path = tmp_path / "run.pt"
    for step in (7, 5):
        with pytest.raises(Crash):
            train(NoisyNet(crash_at(step)), seeded(), checkpoint=path)
    resumed = trained(checkpoint=path)
    assert_same(resumed, trained())
    assert_same(trained(checkpoint=path), resumed)


def test_weights_that_were_best_before_the_crash_are_kept(tmp_path):
    def rising(model):
        return float(model.net[1].num_batches_tracked)

    path = tmp_path / "run.pt"
    with pytest.raises(Crash):
        train(NoisyNet(crash_at(16)), seeded(), checkpoint=path, validate=rising)
    resumed = trained(checkpoint=path, validate=rising)
    assert resumed[0].best_step == 5
    assert_same(resumed, trained(validate=rising))


@pytest.mark.parametrize(("where", "count"), [("step", 11), ("write", 4)])
def test_resume_after_sigkill_is_bit_exact(tmp_path, where, count):
    path = tmp_path / "run.pt"
    script = Path(__file__).with_name("disturbed.py")
    ended = subprocess.run([sys.executable, script, path, where, str(count)])
    assert ended.returncode == -signal.SIGKILL
    assert 0 < read_checkpoint(path)["step"] < NUM_STEPS
    assert_same(trained(checkpoint=path), trained())
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_saves_the_completed_step(tmp_path):
    path = tmp_path / "run.pt"

    def interrupt(step: int) -> None:
        if step == 11:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(NoisyNet(interrupt), seeded(), checkpoint=path)
    assert signal.getsignal(signal.SIGINT) is handler
    assert read_checkpoint(path)["step"] == 11
    assert_same(trained(checkpoint=path), trained())


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def interrupt(step: int) -> None:
        if step == 8:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(NoisyNet(interrupt), seeded(), checkpoint=path)
    assert read_checkpoint(path)["step"] == 6


def test_rerunning_the_cell_with_the_used_generator_goes_on(tmp_path):
    path, generator = tmp_path / "run.pt", seeded()
    with pytest.raises(Crash):
        train(NoisyNet(crash_at(9)), generator, checkpoint=path)
    model = NoisyNet()
    result = train(model, generator, checkpoint=path)
    whole = trained()
    assert result == whole[0]
    assert torch.equal(torch.rand(3, generator=generator), whole[2][0])


def test_divergence_leaves_the_last_good_checkpoint(tmp_path):
    class Poisoned(NoisyNet):
        def loss(self, batch):
            terms = super().loss(batch)
            return terms | {"total": terms["total"] * float("nan")} if self.steps == 9 else terms

    path = tmp_path / "run.pt"
    with pytest.raises(TrainingDiverged):
        train(Poisoned(), seeded(), checkpoint=path, checkpoint_every=1)
    assert read_checkpoint(path)["step"] == 8
    assert_same(trained(checkpoint=path, checkpoint_every=1), trained())


def crashed_run(folder: Path) -> Path:
    path = folder / "run.pt"
    with pytest.raises(Crash):
        train(NoisyNet(crash_at(5)), seeded(), checkpoint=path)
    return path


def one_line(error: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_damaged_bytes_are_noticed(tmp_path):
    path = crashed_run(tmp_path)
    good = path.read_bytes()
    for position in [*range(26, 70), *range(70, len(good), 997), len(good) - 1]:
        bad = bytearray(good)
        bad[position] ^= 4
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match="is damaged or cut short; delete it"):
            read_checkpoint(path)
    with pytest.raises(CheckpointError, match="damaged") as error:
        train(NoisyNet(), seeded(), checkpoint=path)
    assert str(path) in one_line(error)
    assert path.read_bytes() == bad


@pytest.mark.parametrize("length", [0, 1, 25, 26, 40, 58, 1000, -1])
def test_a_truncated_file_is_noticed(tmp_path, length):
    path = crashed_run(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="is damaged or cut short"):
        train(NoisyNet(), seeded(), checkpoint=path)


def test_foreign_files_are_refused_and_kept(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("three years of notes")
    with pytest.raises(CheckpointError, match="is another kind of file") as error:
        train(NoisyNet(), seeded(), checkpoint=path)
    assert str(path) in one_line(error)
    assert path.read_text() == "three years of notes"
    torch.save(NoisyNet().net.state_dict(), path)
    with pytest.raises(CheckpointError, match="is another kind of file"):
        train(NoisyNet(), seeded(), checkpoint=path)


def test_opening_a_checkpoint_runs_no_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    write_checkpoint(tmp_path / "run.pt", {"step": 1})
    head = (tmp_path / "run.pt").read_bytes()[:26]
    torch.save({"step": Trap()}, tmp_path / "body")
    body = (tmp_path / "body").read_bytes()
    (tmp_path / "run.pt").write_bytes(head + sha256(body).digest() + body)
    with pytest.raises(CheckpointError, match="so it is not opened"):
        read_checkpoint(tmp_path / "run.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"learning_rate": 0.01}, "learning_rate was 0.03, is 0.01"),
        ({"num_steps": 24}, "num_steps was 23, is 24"),
        ({"ema_decay": None}, "ema_decay was 0.8, is None"),
        ({"amp": "bf16"}, "amp was None, is bf16"),
        ({"generator": torch.Generator().manual_seed(9)}, "seed was 3, is 9"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_checkpoint_of_other_settings_is_refused(tmp_path, options, difference):
    path = crashed_run(tmp_path)
    before = path.read_bytes()
    generator = options.pop("generator", None) or seeded()
    with pytest.raises(CheckpointError, match=f"is of another run: {difference}") as error:
        train(NoisyNet(), generator, checkpoint=path, **options)
    one_line(error)
    assert path.read_bytes() == before


def test_a_checkpoint_of_other_data_or_weights_is_refused(tmp_path, monkeypatch):
    path = crashed_run(tmp_path)
    other = NoisyNet()
    other.net[0] = torch.nn.Linear(3, 8, bias=False)
    with pytest.raises(CheckpointError, match="is of another run: weights was"):
        train(other, seeded(), checkpoint=path)
    x, y = make_data()
    x[17, 1] += 1e-6
    monkeypatch.setattr("disturbed.make_data", lambda: (x, y))
    with pytest.raises(CheckpointError, match="is of another run: data was"):
        train(NoisyNet(), seeded(), checkpoint=path)


def assert_lost_nothing(path: Path, before: bytes, match: str) -> None:
    """A write fails in one line, leaves the old file, and the run can go on later."""
    with pytest.raises(CheckpointError, match=match) as error:
        train(NoisyNet(), seeded(), checkpoint=path)
    assert "what was saved before is untouched" in one_line(error)
    assert path.read_bytes() == before
    assert not path.with_name("run.pt.partial").exists()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up(tmp_path, monkeypatch, call):
    path = crashed_run(tmp_path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, full)
        assert_lost_nothing(path, before, "cannot write .* No space left on device")
    assert_same(trained(checkpoint=path), trained())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_device(tmp_path):
    path = crashed_run(tmp_path)
    before = path.read_bytes()
    path.with_name("run.pt.partial").symlink_to("/dev/full")
    assert_lost_nothing(path, before, "cannot write .* No space left on device")
    assert_same(trained(checkpoint=path), trained())


def test_a_limit_on_the_size_of_files(tmp_path):
    path = crashed_run(tmp_path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        assert_lost_nothing(path, before, "cannot write .* File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_same(trained(checkpoint=path), trained())


def test_no_permission_is_found_before_the_first_step():
    """As the superuser nothing is forbidden, so for a moment the test is somebody else."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        Path(folder).chmod(0o555)
        model = NoisyNet()
        try:
            if user == 0:
                os.seteuid(65534)
            with pytest.raises(
                CheckpointError, match=r"cannot write .* Permission denied"
            ) as error:
                train(model, seeded(), checkpoint=path)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)
        one_line(error)
        assert model.steps == 0 and not list(Path(folder).iterdir())


def test_paths_that_cannot_hold_a_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot write .* No such file or directory"):
        train(NoisyNet(), seeded(), checkpoint=tmp_path / "missing" / "run.pt")
    with pytest.raises(CheckpointError, match=r"cannot read .* Is a directory"):
        train(NoisyNet(), seeded(), checkpoint=tmp_path)
