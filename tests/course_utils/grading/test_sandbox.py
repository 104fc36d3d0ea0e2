"""What a sandbox lets through and what it does not, asked by probes that do no harm."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psutil
import pytest

from course_utils.grading import limits as limits_module
from course_utils.grading.landlock import landlock_version
from course_utils.grading.limits import MIB, Limits
from course_utils.grading.sandbox import SandboxError, available, choose, launch

if os.name != "posix":
    pytest.skip("sandboxes need a Unix", allow_module_level=True)

LEVELS = available()
WALLED = tuple(level for level in LEVELS if level in ("bubblewrap", "landlock"))
SMALL = Limits(cpu_seconds=10, wall_seconds=20, memory_bytes=200 * MIB, processes=16)
GRADING = str(Path(limits_module.__file__).parent)
PACKAGES = [("course_utils", str(Path(GRADING).parent)), ("course_utils.grading", GRADING)]
FORK = """
def fork(work):
    import os
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
"""


@pytest.fixture
def scratch(monkeypatch):
    """An empty folder that every user can reach, as a sandbox wants it."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above, "scratch")
        folder.mkdir()
        yield folder


@pytest.fixture
def start(scratch):
    """Start a few lines of Python in a sandbox."""

    def start(code: str, isolation: str, limits: Limits = SMALL):
        command = [sys.executable, "-I", "-S", "-c", FORK + code]
        return launch(command, scratch=scratch, readable=[], limits=limits, isolation=isolation)

    return start


@pytest.fixture
def ask(start):
    """Run a few lines of Python in a sandbox and read the one line of JSON that they print."""

    def ask(code: str, isolation: str, limits: Limits = SMALL):
        with start("import json, os, sys\n" + code, isolation, limits) as box:
            line = box.stdout.readline()
            assert line, (box.wait(2), box.stderr_tail())
            return json.loads(line)

    return ask


@pytest.fixture
def end(start):
    """Run a few lines of Python in a sandbox until they end; why they did."""

    def end(code: str, isolation: str, limits: Limits = SMALL):
        with start("import os, sys, time\n" + code, isolation, limits) as box:
            return box.wait(15)

    return end


def attempt(statement: str) -> str:
    """Code that prints "ok", or the type of the error that the statement raises."""
    return f"""
try:
    {statement}
    print('"ok"')
except Exception as error:
    print(json.dumps(type(error).__name__))
"""


def marked(mark: str) -> list[int]:
    """The processes of this machine with a mark on their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if mark in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def vanishes(mark: str, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while marked(mark) and time.monotonic() < end:
        time.sleep(0.02)
    return not marked(mark)


def daemon(mark: str) -> str:
    """Code that leaves a sleeper behind in a session of its own, with nobody above it."""
    return f"""
import os, sys, time
def sleeper():
    os.setsid()
    if os.fork() == 0:
        program = "import time; time.sleep(60)"
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", program, "{mark}"])
os.waitpid(fork(sleeper), 0)
time.sleep(0.3)
print("started", flush=True)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_speaks_over_its_pipes_and_ends_by_itself(start, level):
    with start("print(input()[::-1])", level) as box:
        assert box.isolation == level
        assert box.alive
        box.stdin.write(b"abc\n")
        box.stdin.flush()
        assert box.stdout.read() == b"cba\n"
        assert box.wait(5) == "exit 0"
        assert not box.alive


@pytest.mark.parametrize("level", LEVELS)
def test_starts_in_an_empty_scratch_folder_it_may_write(ask, scratch, level):
    code = """
found = os.listdir()
open("mine", "w").write("text")
print(json.dumps([os.getcwd(), os.environ["HOME"], found, open("mine").read()]))
"""
    assert ask(code, level) == [str(scratch), str(scratch), [], "text"]


@pytest.mark.parametrize("level", WALLED)
def test_repository_home_and_temporary_files_cannot_be_read(ask, scratch, level, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the answers")
    paths = [__file__, str(secret), str(Path.home() / ".bashrc"), "/etc/passwd", "/etc/shadow"]
    paths += map(str, (Path(__file__).parent, tmp_path, Path.home(), tempfile.gettempdir()))
    code = f"""
read = []
for path in {paths!r}:
    try:
        text = os.listdir(path) if os.path.isdir(path) else open(path).read()
        read.append((path, text))
    except OSError:
        pass
print(json.dumps(read))
"""
    shown = {*scratch.parts, *Path(sys.prefix).parts, *Path(sys.base_prefix).parts}
    for path, content in ask(code, level):
        assert isinstance(content, list) and set(content) <= shown, path


def test_without_walls_files_can_be_read(ask):
    assert ask(attempt(f"open({__file__!r}).read()"), "plain") == "ok"


@pytest.mark.parametrize("level", WALLED)
def test_a_readable_folder_can_be_read_and_not_written(scratch, level):
    shown = scratch.parent / "shown"
    shown.mkdir(0o755)
    (shown / "file").write_text("hello")
    code = f"""
print(open({str(shown / "file")!r}).read())
try:
    open({str(shown / "other")!r}, "w")
except OSError:
    print("refused")
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    with launch(command, scratch=scratch, readable=[shown], limits=SMALL, isolation=level) as box:
        assert box.stdout.read() == b"hello\nrefused\n"
    assert [path.name for path in shown.iterdir()] == ["file"]


@pytest.mark.parametrize("level", WALLED)
def test_nothing_outside_scratch_can_be_written(ask, scratch, level):
    mark = uuid.uuid4().hex
    places = ["/", "/tmp", "/dev", "/dev/shm", "/etc", "/usr", "/run", "/var/tmp", "/proc"]
    places += [str(scratch.parent), sys.prefix, str(Path.home())]
    code = f"""
made = []
for place in {places!r}:
    try:
        open(os.path.join(place, "{mark}"), "w").close()
        made.append(place)
    except OSError:
        pass
print(json.dumps(made))
"""
    assert ask(code, level) == []
    assert not any(Path(place, mark).exists() for place in places)


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "plain"])
def test_no_socket_reaches_a_listener(ask, level):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = server.getsockname()
        statement = f"import socket; socket.create_connection({address!r}, 2)"
        assert ask(attempt(statement), level) in ("PermissionError", "ConnectionRefusedError")
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("level", WALLED)
def test_other_processes_are_neither_seen_nor_signalled(ask, level):
    code = f"""
seen = []
try:
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    pass
refused = []
for pid in {[os.getpid(), *range(2, 6)]!r} if len(seen) == 0 else []:
    try:
        os.kill(pid, 0)
    except OSError:
        refused.append(pid)
print(json.dumps([seen, refused, os.getpid()]))
"""
    seen, refused, own = ask(code, level)
    if level == "bubblewrap":
        assert own in seen
        assert len(seen) <= 3
    elif landlock_version() >= 6:
        assert seen == []
        assert len(refused) == 5


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_inherited_but_the_three_pipes(ask, level, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    code = """
def opened(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False
print(json.dumps([[n for n in range(200) if opened(n)], "SECRET_TOKEN" in os.environ]))
"""
    assert ask(code, level) == [[0, 1, 2], False]


@pytest.mark.parametrize("level", LEVELS)
def test_more_processes_than_allowed_end_it(end, level):
    code = "for _ in range(14):\n    fork(lambda: time.sleep(20))\ntime.sleep(20)"
    assert end(code, level, Limits(processes=8, wall_seconds=15)) == "processes"


@pytest.mark.parametrize("level", LEVELS)
def test_orphans_that_have_ended_take_no_place(ask, level):
    code = """
import time
def leave_one():
    fork(lambda: time.sleep(0.002))
ends = [os.waitpid(fork(leave_one), 0)[1] for _ in range(100)]
time.sleep(0.5)
ends.append(os.waitpid(fork(lambda: None), 0)[1])
print(json.dumps(max(ends)), flush=True)
"""
    assert ask(code, level) == 0  # of twice sixteen that would fit


@pytest.mark.parametrize("level", LEVELS)
def test_memory_is_that_of_the_whole_tree(end, level):
    code = """
def hold():
    held = bytearray(40 * 2**20)
    time.sleep(20)
for _ in range(4):
    fork(hold)
time.sleep(20)
"""
    limits = Limits(memory_bytes=100 * MIB, wall_seconds=15)
    assert end(code, level, limits) == "memory"


@pytest.mark.parametrize("level", LEVELS)
def test_pages_shared_after_a_fork_count_once(end, level):
    code = """
held = bytearray(60 * 2**20)
for pid in [fork(lambda: time.sleep(0.5)) for _ in range(5)]:
    os.waitpid(pid, 0)
"""
    limits = Limits(memory_bytes=150 * MIB, wall_seconds=15)
    assert end(code, level, limits) == "exit 0"


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the address space")
@pytest.mark.parametrize("level", LEVELS)
def test_one_huge_request_for_memory_fails_at_once(ask, level):
    assert ask(attempt("import mmap; mmap.mmap(-1, 2**33)"), level) == "OSError"


@pytest.mark.parametrize("level", LEVELS)
def test_processor_time_of_dead_children_counts(end, level):
    code = """
def work():
    start = time.process_time()
    while time.process_time() < start + 0.1:
        pass
for _ in range(20):
    os.waitpid(fork(work), 0)
"""
    assert end(code, level, Limits(cpu_seconds=0.3, wall_seconds=15)) == "cpu"


@pytest.mark.parametrize("level", LEVELS)
def test_sleeping_ends_by_the_clock(end, level):
    assert end("time.sleep(15)", level, Limits(wall_seconds=0.3)) == "wall"


@pytest.mark.parametrize("level", LEVELS)
def test_a_flood_on_standard_error_ends_it_and_only_its_tail_is_kept(start, level):
    code = "import sys\nfor n in range(400):\n    sys.stderr.write('x' * 9999 + '\\n')"
    with start(code, level, Limits(output_bytes=MIB, wall_seconds=15)) as box:
        assert box.wait(10) == "output"
        assert 0 < len(box.stderr_tail()) < 10_000


@pytest.mark.parametrize("level", LEVELS)
def test_scratch_cannot_grow_without_end(end, level):
    code = """
written = 0
try:
    for n in range(8):
        written += open(f"file{n}", "wb", buffering=0).write(bytes(2**20))
        time.sleep(0.1)
except OSError:
    sys.exit(7)
time.sleep(10)
"""
    assert end(code, level, Limits(file_bytes=3 * MIB, wall_seconds=15)) in ("disk", "exit 7")


@pytest.mark.skipif(sys.platform != "linux", reason="macOS shows no open files")
@pytest.mark.parametrize("level", LEVELS)
def test_open_files_without_a_name_count_as_well(end, level):
    code = """
held = []
try:
    for n in range(8):
        held.append(open("file", "wb", buffering=0))
        held[-1].write(bytes(2**20))
        os.unlink("file")
except OSError:
    sys.exit(7)
time.sleep(10)
"""
    assert end(code, level, Limits(file_bytes=5 * MIB, wall_seconds=12)) in ("disk", "exit 7")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("sys.exit(3)", "exit 3"),
        ("os.kill(os.getpid(), 11)", "signal 11"),
    ],
)
def test_the_cause_of_the_end_is_told(end, level, code, cause):
    assert end(code, level) == cause


@pytest.mark.parametrize("level", LEVELS)
def test_kill_leaves_nothing_behind(start, level):
    mark = uuid.uuid4().hex
    with start(daemon(mark) + "time.sleep(60)", level) as box:
        assert box.stdout.readline() == b"started\n"
        assert marked(mark)
        box.kill()
        assert not marked(mark)
        assert box.cause() == "killed"


@pytest.mark.parametrize("level", LEVELS)
def test_a_sweep_ends_what_was_started_and_the_command_goes_on(start, level):
    mark = uuid.uuid4().hex
    forks = """
import threading
def fork_on():
    while True:
        fork(lambda: time.sleep(60))
        time.sleep(0.05)
threading.Thread(target=fork_on, daemon=True).start()
print(input(), flush=True)
"""
    limits = Limits(processes=60, wall_seconds=30)
    with start(daemon(mark) + forks, level, limits) as box:
        assert box.stdout.readline() == b"started\n"
        assert marked(mark)
        for _ in range(3):
            box.sweep()
        assert not marked(mark)
        box.stdin.write(b"still here\n")
        box.stdin.flush()
        assert box.stdout.readline() == b"still here\n"


@pytest.mark.parametrize("level", LEVELS)
def test_the_end_of_the_command_is_the_end_of_its_daemons(start, level):
    mark = uuid.uuid4().hex
    with start(daemon(mark), level) as box:
        assert box.stdout.readline() == b"started\n"
        assert box.wait(5) == "exit 0"
        assert not marked(mark)


@pytest.mark.parametrize("level", LEVELS)
def test_the_death_of_the_grader_ends_the_sandbox(scratch, level):
    mark = uuid.uuid4().hex
    grader = f"""
import sys, time, types
from pathlib import Path
for name, folder in {PACKAGES!r}:  # without what the package itself imports
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from course_utils.grading.limits import Limits
from course_utils.grading.sandbox import launch
command = [sys.executable, "-I", "-S", "-c", {FORK + daemon(mark)!r} + "time.sleep(60)"]
box = launch(
    command, scratch=Path({str(scratch)!r}), readable=[], limits=Limits(), isolation={level!r}
)
print(box.stdout.readline(), flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", grader]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert b"started" in process.stdout.readline()
        assert marked(mark)
        process.send_signal(signal.SIGKILL)
        assert vanishes(mark)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_the_grader_is_untraceable_and_takes_in_orphans(ask):
    ask('print("1")', LEVELS[0])
    kernel = ctypes.CDLL(None)
    reaper = ctypes.c_int()
    assert kernel.prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
    assert kernel.prctl(37, ctypes.byref(reaper), 0, 0, 0) == 0  # PR_GET_CHILD_SUBREAPER
    assert reaper.value == 1


def test_time_is_measured_and_can_be_granted_anew(start):
    code = """
import time
while input():
    start = time.process_time()
    while time.process_time() < start + 0.2:
        pass
    print("done", flush=True)
"""
    with start(code, LEVELS[0], Limits(cpu_seconds=0.5, wall_seconds=15)) as box:
        before = box.cpu_seconds
        for _ in range(3):
            box.budget(0.5, 10)
            box.stdin.write(b"go\n")
            box.stdin.flush()
            assert box.stdout.readline() == b"done\n"
        assert 0.5 < box.cpu_seconds - before < 1.2
        assert box.memory_bytes > MIB


def test_bad_requests_are_one_line(scratch):
    with pytest.raises(SandboxError, match=r"^isolation must be auto or one of .*'docker'$"):
        choose("docker")
    assert choose("auto") == LEVELS[0]
    (scratch / "file").write_text("")
    with pytest.raises(SandboxError, match=r"^the scratch folder must exist and be empty: /.*$"):
        launch(["x"], scratch=scratch, readable=[], limits=SMALL, isolation="plain")
    with pytest.raises(ValueError, match="cpu_seconds must be a positive number, got 0"):
        Limits(cpu_seconds=0)


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "bubblewrap"])
def test_scratch_is_emptied_however_deep_and_no_link_is_followed(end, scratch, tmp_path, level):
    (tmp_path / "kept").write_text("text")
    (tmp_path / "kept").chmod(0o644)
    code = f"""
os.symlink({str(tmp_path)!r}, "link")
os.symlink({str(tmp_path / "kept")!r}, "file")
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chmod(".", 0)
"""
    assert end(code, level) == "exit 0"
    assert list(scratch.iterdir()) == []
    assert (tmp_path / "kept").read_text() == "text"
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o644


def test_a_command_that_cannot_start_says_why(scratch):
    missing = ["/nowhere/python"]
    with launch(missing, scratch=scratch, readable=[], limits=SMALL, isolation="plain") as box:
        assert box.wait(5) == "exit 127"
        assert "/nowhere/python" in box.stderr_tail() or "No such file" in box.stderr_tail()
