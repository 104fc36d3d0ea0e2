"""A student's objects used from outside, and a process that does not keep to the protocol."""

import inspect
import os
import signal
import struct
import subprocess
import sys
import time

import psutil
import pytest
import torch

from course_utils.grading import answers
from course_utils.grading.questions import Mistake
from course_utils.grading.remote import Lost, Session, StudentError
from course_utils.grading.wire import encode

CELL = """
import torch
from course_utils.grading import check, given

class Affine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([2.0, 4.0]))
    def forward(self, x):
        return x * self.scale
    def inverse(self, y):
        return y / self.scale

def double(x, factor=2):
    return factor * x

def changes(x):
    x += 1
    return x.sum()

def shrinks(rows):
    rows.pop()
    return torch.zeros(1)

def fails(x):
    return x.reshape(7)

def not_written(x):
    raise NotImplementedError("w00-f is not written yet")

def draws(x):
    return torch.rand(2)

def odd(x):
    return iter([1])

def deep(x):
    return [x, x] if x > 30 else [deep(x + 1)]

def noisy(x):
    print("x" * 100_000)
    return x

count = 0
def counts():
    global count
    count += 1
    return count

def leaves(x):
    import os
    os._exit(3)

def sleeps(x):
    import time
    time.sleep(100)

def starts(x):
    import subprocess
    return subprocess.Popen(["sleep", "60"]).pid

class Named:
    __name__ = 7
    def __call__(self, x):
        return x

named = Named()
long = [0] * 30_000
affine = Affine()
data = given("w00-data")
data["x"] += 5
check("w00-module", affine)
check("w00-sum", float(given("w00-data")["x"].sum()))
check("w00-text", "a\\ud800b")
check("w00-class", Affine)
with open("weights.bin", "wb") as file:
    file.write(b"12345")
check("w00-file", "weights.bin")
check("w00-no-file", "nothing.bin")
torch.rand(5)
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
"""


class Local:
    """A process without a sandbox, for a child that is known to be harmless."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        self.cpu_seconds = 0.0

    def budget(self, cpu_seconds, wall_seconds):
        pass

    def sweep(self):
        pass

    def cause(self):
        code = self._process.poll()
        return "" if code is None else f"exit {code}"

    def kill(self):
        self._process.kill()
        self._process.wait()
        self.stdin.close()
        self.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("child")


@pytest.fixture(scope="module")
def session(folder):
    begin = (
        f"import os; os.chdir({str(folder)!r}); import course_utils.grading as package; "
        "from course_utils.grading import child; package.given = child.given; "
        "package.check = child.check; child.main()"
    )
    process = Local([sys.executable, "-c", begin])
    session = Session(process, 20, 20)
    names = (
        "double changes shrinks fails not_written draws odd deep noisy counts leaves sleeps starts "
        "named long"
    )
    variables = {f"w00-{name}": name for name in names.split()}
    session.start({"w00-data": {"x": torch.ones(3)}}, variables, 60)
    assert session.run_cell(1, CELL) is None
    yield session
    process.kill()


def test_a_function_is_called_as_if_it_were_here(session):
    with session.question("w00-double", is_file=False) as double:
        assert double.__name__ == "double"
        assert str(inspect.signature(double)) == "(x, factor=2)"
        assert torch.equal(double(torch.ones(2)), torch.full((2,), 2.0))
        assert double(3, factor=5) == 15
        assert answers.call(double, {"x": 4}) == 8
        with pytest.raises(Mistake) as caught:
            answers.call(double, {"a": 1, "b": 2, "c": 3})
        assert "double is called as double(a, b, c)" in caught.value.message


@pytest.mark.parametrize(
    ("name", "category", "words"),
    [
        ("changes", "mutation", "changes its input x in place"),
        ("shrinks", "mutation", "changes its input x in place"),
        ("not_written", "blank", "not_written is not written yet"),
        ("draws", "random", "two different results"),
        ("fails", "exception", "(line 26, in fails: `return x.reshape(7)`)"),
        ("fails", "exception", "fails raised RuntimeError: shape '[7]' is invalid"),
    ],
)
def test_a_mistake_is_seen_across_the_border(session, name, category, words):
    with session.question(f"w00-{name}", is_file=False) as function:
        args = {"x": [torch.ones(2)] if name == "shrinks" else torch.ones(2)}
        with pytest.raises(Mistake) as caught:
            answers.call(function, args)
    assert caught.value.category == category
    assert words in caught.value.message


def test_a_module_stays_where_it_is(session):
    with session.question("w00-module", is_file=False) as module:
        x = torch.tensor([[1.0, 3.0]])
        assert torch.equal(module(x), torch.tensor([[2.0, 12.0]]))
        assert torch.equal(module.inverse(module(x)), x)
        weights = module.state_dict()
        assert list(weights) == ["scale"]
        module.load_state_dict({"scale": torch.tensor([1.0, -1.0])})
        assert torch.equal(module(x), torch.tensor([[1.0, -3.0]]))
        assert type(module).__name__ == "Affine"
        with pytest.raises(StudentError, match="no attribute 'nothing'"):
            module.nothing()
    with session.question("w00-module", is_file=False) as module:
        assert torch.equal(module(x), torch.tensor([[2.0, 12.0]]))


def test_a_class_makes_objects_and_they_can_be_passed_back(session):
    with session.question("w00-class", is_file=False) as affine:
        made = affine()
        assert torch.equal(made(torch.ones(2)), torch.tensor([2.0, 4.0]))
    unsupported = pytest.raises(StudentError, match="unsupported operand")
    with session.question("w00-double", is_file=False) as double, unsupported:
        double(double)


def test_each_question_begins_where_the_cells_ended(session):
    for _ in range(2):
        with session.question("w00-counts", is_file=False) as counts:
            assert [counts(), counts()] == [1, 2]
        with session.question("w00-draws", is_file=False) as draws:
            drawn = draws(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(2))


def test_values_texts_and_files_come_by_value(session):
    found = {}
    for name in ("sum", "text", "file", "no-file", "nobody"):
        with session.question(f"w00-{name}", is_file="file" in name) as value:
            found[name] = value
    expected = {"sum": 3.0, "text": "a?b", "file": b"12345", "no-file": "nothing.bin"}
    assert found == {**expected, "nobody": None}


def test_results_that_cannot_travel_are_errors_or_handles(session):
    no_tensor = pytest.raises(Mistake, match="got a value of type list_iterator")
    with session.question("w00-odd", is_file=False) as odd, no_tensor:
        answers.expect_tensor("odd(x)", odd(1), (2,))
    with session.question("w00-deep", is_file=False) as deep:
        assert deep(30) == [[31, 31]]
        with pytest.raises(StudentError, match="more than"):
            deep(-30)
    too_long = pytest.raises(StudentError, match="more than")
    with too_long, session.question("w00-long", is_file=False):
        pass
    with session.question("w00-named", is_file=False) as named:
        assert (named.__name__, named(3)) == ("7", 3)
    with session.question("w00-noisy", is_file=False) as noisy:
        assert noisy(4) == 4


def test_a_question_that_dies_does_not_take_the_next_one_along(session):
    with pytest.raises(Lost) as caught, session.question("w00-leaves", is_file=False) as leaves:
        leaves(1)
    assert (caught.value.cause, caught.value.entirely) == ("exit 3", False)
    session._wall = 0.3
    with pytest.raises(Lost) as caught, session.question("w00-sleeps", is_file=False) as sleeps:
        sleeps(1)
    session._wall = 20
    assert (caught.value.cause, caught.value.entirely) == ("wall", False)
    with session.question("w00-double", is_file=False) as double:
        assert double(1) == 2


def test_what_a_question_has_started_ends_with_it(session):
    with session.question("w00-starts", is_file=False) as starts:
        started = psutil.Process(starts(1))
        assert started.is_running()
    end = time.monotonic() + 5
    while started.is_running() and started.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_dead_copy_has_missed_is_passed_over(session):
    session._send("call", {})
    session._send("close", {})
    assert session.run_cell(2, "pass") is None


def test_a_cell_reports_its_error_and_the_next_one_runs(session):
    error = session.run_cell(7, "y = 1\nz = nobody\n")
    assert type(error).__name__ == "NameError" and error.line == 2
    assert type(session.run_cell(8, "import sys; sys.exit(1)")).__name__ == "SystemExit"
    assert session.run_cell(9, "if:").line == 1
    assert type(session.run_cell(10, "input()")).__name__ == "EOFError"
    assert session.run_cell(11, "assert y == 1") is None


def test_no_judge_can_take_a_loss_for_an_answer():
    assert not issubclass(Lost, Exception)


class Forger:
    """A process that has written its replies before it was asked."""

    cpu_seconds = 0.0

    def __init__(self, *frames, closed=True):
        source, sink = os.pipe()
        assert sum(map(len, frames)) < 2**16, "more than a pipe holds without a reader"
        os.write(sink, b"".join(frames))
        self.stdout = os.fdopen(source, "rb")
        self.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb")
        self._sink = sink
        if closed:
            os.close(sink)
        self.killed = False

    def budget(self, cpu_seconds, wall_seconds):
        pass

    def sweep(self):
        pass

    def cause(self):
        return "exit 0"

    def kill(self):
        self.killed = True
        self.stdin.close()
        self.stdout.close()


def reply(number, **content):
    return encode({"id": number, **content})


READY = reply(1, value=None)
FUNCTION = {"place": 0, "callable": True, "type": "function", "name": "f", "parameters": []}


def opened(**changes):
    handle = {**FUNCTION, **changes}
    return encode({"id": 2, "value": object()}, lambda _: handle)


def grade(process, seconds=5):
    """Start, open a question, call the answer, and close."""
    session = Session(process, seconds, seconds)
    session.start({}, {}, 5)
    with session.question("w00-f", is_file=False) as answer:
        return answer(1)


def raw(tree):
    return struct.pack(">II", len(tree), 0) + tree


GOOD = (READY, opened(), reply(3, value=5), reply(2, ended="exit 0"))


def test_the_forger_can_also_be_honest():
    process = Forger(*GOOD)
    assert grade(process) == 5 and not process.killed
    process.kill()


@pytest.mark.parametrize(
    ("frames", "cause"),
    [
        ((), "exit 0"),
        (GOOD[:2], "exit 0"),
        ((b"rubbish, not a frame at all",), "protocol"),
        ((raw(b"null"),), "protocol"),
        ((raw(b'{"dict": [["value", 1]]}'),), "protocol"),
        ((raw(b'{"dict": [["id", true], ["value", 1]]}'),), "protocol"),
        ((reply(2, value=None),), "protocol"),
        ((READY, READY), "protocol"),
        ((READY, reply(1, ended="exit 0")), "protocol"),
        ((*GOOD[:2], reply(4, value=5)), "protocol"),
        ((*GOOD[:2], reply(3)), "protocol"),
        ((*GOOD[:2], reply(3, error="none")), "protocol"),
        ((*GOOD[:2], reply(3, error={"type": 3})), "protocol"),
        ((*GOOD[:3], reply(4, value=None)), "protocol"),
        ((READY, opened(place="zero")), "protocol"),
        ((READY, opened(parameters=[("not a name", 1, None)])), "protocol"),
        ((READY, opened(parameters=[("a", 77, None)])), "protocol"),
        ((READY, opened(parameters=[("a", 1, 5)])), "protocol"),
        ((READY, opened(extra=1)), "protocol"),
        ((READY, raw(b"[" * 30_000)), "protocol"),
        ((READY, struct.pack(">II", 2**31, 2**31)), "protocol"),
    ],
)
def test_rubbish_is_a_loss_and_ends_the_process(frames, cause):
    process = Forger(*frames)
    with pytest.raises(Lost) as caught:
        grade(process)
    assert (caught.value.cause, caught.value.entirely) == (cause, True)
    assert process.killed


def test_a_process_that_says_nothing_is_late():
    process = Forger(*GOOD[:2], closed=False)
    began = time.monotonic()
    with pytest.raises(Lost) as caught:
        grade(process, seconds=0.05)
    assert caught.value.cause == "wall" and process.killed
    assert time.monotonic() - began < 5
    os.close(process._sink)


class Clocked(Forger):
    """Its processor time is a quarter of a second more each time somebody looks."""

    looks = 0

    @property
    def cpu_seconds(self):
        self.looks += 1
        return self.looks / 4


def test_the_processor_time_of_a_call_is_what_the_sandbox_says():
    process = Clocked(*GOOD)
    session = Session(process, 5, 5)
    session.start({}, {}, 5)
    with session.question("w00-f", is_file=False) as answer:
        assert answer(1) == 5 and answer.cpu_seconds == 0.25
    process.kill()


def test_words_of_the_process_are_short_and_printable():
    told = {"type": "A\x1b[2J" * 50, "text": "\x1b]0;x\n" * 500, "line": 3, "where": "<b>" * 99}
    process = Forger(*GOOD[:2], reply(3, error=told))
    with pytest.raises(StudentError) as caught:
        grade(process)
    shown = f"{type(caught.value).__name__}: {caught.value}"
    assert shown.isprintable() and len(shown) < 300
    process.kill()


def test_a_fork_is_tried_again_while_what_was_ended_still_counts(monkeypatch):
    from course_utils.grading import child

    refusals = iter([BlockingIOError(11, "no more processes")] * 3)

    def fork():
        error = next(refusals, None)
        if error is not None:
            raise error
        return 42

    monkeypatch.setattr(child, "_fork", fork)
    assert child._fork_at_last() == 42
    monkeypatch.setattr(child, "_MOMENT", 0.0)
    refusals = iter([BlockingIOError(11, "no more processes")] * 3)
    with pytest.raises(BlockingIOError):
        child._fork_at_last()


def test_what_the_cells_have_started_is_ended_only_where_nobody_else_is_seen(monkeypatch):
    from course_utils.grading import child

    ended = []
    monkeypatch.setattr(child, "_kill", lambda *what: ended.append(what))
    monkeypatch.setattr(child._desk, "alone", False)
    child._end_others()
    assert ended == []
    monkeypatch.setattr(child._desk, "alone", True)
    child._end_others()
    assert ended == [(-1, signal.SIGKILL)]
