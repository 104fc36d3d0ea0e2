"""The fork server: what it has imported, what it knows, and what happens when it dies."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from course_utils.grading.forkclient import ForkServer
from course_utils.grading.limits import Limits
from course_utils.grading.provisions import ROOT, Provisions, provided_files
from course_utils.grading.sandbox import SandboxError, available, launch
from course_utils.grading.weeks import provided_in

if os.name != "posix":
    pytest.skip("sandboxes need a Unix", allow_module_level=True)

LEVELS = available()
SAY = """
import sys
def modules():
    print(sorted(name for name in sys.modules if name.startswith(("course_utils", "colorsys"))))
def folder():
    import os, tempfile
    print([os.getcwd(), os.environ["HOME"], tempfile.gettempdir()])
"""


@pytest.fixture
def place():
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        yield Path(above)


@pytest.fixture
def run(place):
    """Start a copy of a server in a sandbox and return all that it prints."""

    def run(server: ForkServer, level: str = "plain", readable=()):
        scratch = place / "scratch"
        scratch.mkdir(exist_ok=True)
        with launch(
            [],
            scratch=scratch,
            readable=readable,
            limits=Limits(wall_seconds=60),
            isolation=level,
            server=server,
        ) as box:
            return box.stdout.read().decode(), box.wait(5), box.stderr_tail()

    return run


@pytest.fixture
def say(place):
    """A server whose copies print something about themselves."""
    folder = place / "code"
    folder.mkdir()
    (folder / "say.py").write_text(SAY)
    return lambda what, *modules: ForkServer([folder], modules, f"say:{what}")


@pytest.mark.parametrize("level", LEVELS)
def test_a_copy_has_what_the_server_imported(run, say, place, level):
    server = say("modules", "colorsys")
    for _ in range(2):
        assert run(server, level, [place / "code"]) == ("['colorsys']\n", "exit 0", "")


def test_a_copy_takes_its_own_folder_for_temporary_files(run, say, place):
    (scratch,) = {str(place / "scratch")}
    server = say("folder", "tempfile")
    assert run(server)[0] == f"{[scratch, scratch, scratch]}\n"


def test_requests_from_many_threads_at_once_are_told_apart(say, place):
    server = say("modules", "colorsys")

    def one(number: int):
        scratch = place / f"scratch{number}"
        scratch.mkdir()
        with launch(
            [], scratch=scratch, readable=[], limits=Limits(), isolation="plain", server=server
        ) as box:
            return box.stdout.read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == [b"['colorsys']\n"] * 24


def test_a_server_that_was_ended_is_started_anew(run, say):
    server = say("modules")
    run(server)
    first = server.pid
    os.kill(first, signal.SIGKILL)
    assert run(server)[1] == "exit 0"
    assert server.pid not in (0, first)


def test_a_server_that_cannot_start_is_one_line(run):
    server = ForkServer(modules=["no_such_module"])
    with pytest.raises(SandboxError, match=r"no sandbox|does not start: .*no_such_module"):
        run(server)


def running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_end_of_the_grader_is_the_end_of_the_server_and_its_folders(place):
    grader = f"""
import sys, time
from pathlib import Path
from course_utils.grading.limits import Limits
from course_utils.grading.provisions import Provisions
from course_utils.grading.sandbox import launch
supplies = Provisions()
Path({str(place)!r}, "scratch").mkdir()
box = launch([], scratch=Path({str(place)!r}, "scratch"), readable=[supplies.folder],
             limits=Limits(), isolation="plain", server=supplies.server)
print(supplies.server.pid, supplies.folder, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", grader], stdout=subprocess.PIPE) as process:
        pid, folder = process.stdout.readline().decode().split()
        assert running(int(pid)) and Path(folder).is_dir()
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while (running(int(pid)) or Path(folder).exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not running(int(pid)) and not Path(folder).exists()


def test_a_week_provides_modules_with_all_they_need_and_nothing_of_the_grader():
    assert provided_files(()) == ["grading/child.py", "grading/wire.py"]
    files = provided_files(["course_utils.worlds.sequences"])
    assert {"worlds/__init__.py", "worlds/sequences/markov.py", "arguments.py"} <= set(files)
    assert all((ROOT / file).is_file() for file in files)
    with pytest.raises(ModuleNotFoundError, match=r"^modules: expected one of course_utils"):
        provided_files(["course_utils.nowhere"])
    for name in ("course_utils.grading.judges.nade", "course_utils.grading"):
        with pytest.raises(ValueError, match=r"^modules: expected none that needs the grader"):
            provided_files([name])


def test_what_a_week_provides_can_be_had():
    assert provided_files(provided_in("week01")) == provided_files(())


def test_a_provided_module_is_importable_and_the_rest_of_the_course_is_not(run, place):
    supplies = Provisions(["course_utils.worlds.sequences"])
    (place / "code").mkdir()
    (place / "code" / "say.py").write_text(
        """
def imports():
    from course_utils.worlds.sequences import MarkovSource
    found = []
    for name in ("models", "grading.judges", "grading.weeks", "grading.engine"):
        try:
            __import__(f"course_utils.{name}")
            found.append(name)
        except ImportError:
            pass
    print(MarkovSource.__name__, found)
"""
    )
    path = [place / "code", supplies.folder]
    server = ForkServer(path, ["course_utils.worlds.sequences"], "say:imports")
    text, cause, errors = run(server, LEVELS[0], path)
    assert (text, cause) == ("MarkovSource []\n", "exit 0"), errors
