"""Grade hostile submissions one after another, inside the outer guard, and say what happened.

    python driver.py ISOLATION CASE [CASE ...]

Each case is printed as two lines of JSON: its name before, its outcome after. A grader that was
ended in between leaves only the first.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import sys
import time
import warnings
from pathlib import Path

import guard
import psutil

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent
PORT = 45454
QUESTION = "w01-entropy-rate"
HONEST = """
# %%
from course_utils.grading import given as _given
import torch as _torch
_law = _given("w01-entropy-rate")["transition"]
_rows = -(_law * _law.log()).sum(1)
entropy_rate = float(_torch.linalg.matrix_power(_law, 1000)[0] @ _rows)
"""


def own_state() -> list:
    """What another process might change of this one."""
    return [
        resource.getrlimit(resource.RLIMIT_NOFILE),
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
    ]


def strangers() -> list[psutil.Process]:
    """Processes in the guard that are not its first one, this one, or this one's fork server."""
    from course_utils.grading.provisions import provisions

    known = {1, os.getpid(), provisions(()).server.pid}
    return [process for process in psutil.process_iter() if process.pid not in known]


def left_behind() -> list[str]:
    """What a submission left: processes, shared memory, files. Clears it away for the next one."""
    left = []
    for process in strangers():
        if process.status() != psutil.STATUS_ZOMBIE:
            left.append(f"process {process.name()}")
        process.send_signal(signal.SIGKILL)
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        left.append("shared memory")
        ctypes.CDLL(None).shmctl(int(line.split()[1]), 0, None)  # remove it
    left += [f"file /dev/shm/{path.name}" for path in Path("/dev/shm").iterdir()]
    known = {"victims", "submissions", *guard.ROOT.parts[2:3]}
    found = [path.name for path in Path("/tmp").iterdir() if path.name not in known]
    left += [f"file /tmp/{name}" for name in found if not name.startswith("course-")]
    return left


def touched(texts: dict[str, str]) -> list[str]:
    """Which of the grader's files are not as they were, or not alone."""
    changed = [
        p for p, text in texts.items() if not Path(p).exists() or Path(p).read_text() != text
    ]
    found = {str(path) for path in guard.VICTIMS.rglob("*") if path.is_file()}
    return changed + sorted(found - set(texts))


def grade(name: str, isolation: str, server: socket.socket) -> dict:
    """Grade one case, and look around afterwards."""
    from course_utils.grading.engine import grade_submission
    from course_utils.grading.limits import MIB, Limits

    limits = Limits(
        cpu_seconds=16, wall_seconds=24, memory_bytes=900 * MIB, processes=16, file_bytes=16 * MIB
    )
    folder = Path("/tmp/submissions")
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    source = "" if name == "honest" else (HERE / "cases" / f"{name}.txt").read_text()
    path.write_text(source + HONEST)
    texts, before, began = guard.victims(), own_state(), time.monotonic()
    result = grade_submission(path, "week01", seed=0, isolation=isolation, limits=limits)
    seconds = time.monotonic() - began
    told = {
        "case": name,
        "kept": result["questions"][QUESTION]["score"],
        "forged": result["score"] - result["questions"][QUESTION]["score"],
        "notes": result["notes"],
        "messages": {key: mark["message"] for key, mark in result["questions"].items()},
        "seconds": round(seconds, 1),
        "left": left_behind(),
        "touched": touched(texts),
        "changed": own_state() != before,
        "connected": connected(server),
    }
    shutil.rmtree(guard.VICTIMS, ignore_errors=True)
    return told


def connected(server: socket.socket) -> bool:
    """Whether somebody has called."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def main() -> None:
    """Grade the cases that are named on the command line."""
    guard.enter()
    isolation, *names = sys.argv[1:]
    os.environ["HOME"] = str(guard.VICTIMS / "home")
    with socket.create_server(("127.0.0.1", PORT)) as server:
        server.setblocking(False)
        for name in names:
            print(json.dumps({"begins": name}), flush=True)
            print(json.dumps(grade(name, isolation, server)), flush=True)


if __name__ == "__main__":
    main()
