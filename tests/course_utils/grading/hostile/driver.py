"""Grade hostile submissions one after another, inside the outer guard, and say what happened.

    python driver.py ISOLATION CASE [CASE ...]

Each case is printed as two lines of JSON: its name before, its outcome after. A grader that was
ended in between leaves only the first.
"""

import contextlib
import ctypes
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import guard
import psutil
from files import file_of
from table import CPU_SECONDS, GRACE, SEED, STEPS, WALL_SECONDS

warnings.simplefilter("ignore")
PORT = 45454
FIRST = "honest"  # what stays with the grader, such as helpers, is there after the first one
QUESTION = "w01-entropy-rate"
SUBMISSIONS = Path("/tmp/submissions")


def own_state() -> list:
    """What another process might change of this one."""
    return [
        resource.getrlimit(resource.RLIMIT_NOFILE),
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
    ]


def present() -> set[str]:
    """Processes besides the guard's and this one, shared memory, and files that can be left."""
    known = {1, os.getpid(), os.getppid()}
    running = [p for p in psutil.process_iter(["name"]) if p.pid not in known]
    found = {f"process {p.pid} {p.info['name']}" for p in running}
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    found |= {f"memory {line.split()[1]}" for line in lines}
    return found | {f"file {p}" for place in ("/dev/shm", "/tmp") for p in Path(place).iterdir()}


def left_behind(before: set[str]) -> list[str]:
    """What is there now and was not before. Clears it away for the next submission."""
    left = []
    for thing in sorted(present() - before):
        kind, name, *_ = thing.split(" ", 2)
        if kind == "process":
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(int(name))
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                process.kill()
        elif kind == "memory":
            ctypes.CDLL(None).shmctl(int(name), 0, None)  # remove it
        else:
            subprocess.run(["rm", "-r", "-f", "--", name], capture_output=True)
        left.append(thing)
    return left


def touched(texts: dict[str, str]) -> list[str]:
    """Which of the grader's files are not as they were, or not alone."""
    changed = [
        p for p, text in texts.items() if not Path(p).exists() or Path(p).read_text() != text
    ]
    found = {str(path) for path in guard.VICTIMS.rglob("*") if not path.is_dir()}
    return changed + sorted(found - set(texts))


def grade(name: str, isolation: str, server: socket.socket) -> dict:
    """Grade one case, and look around afterwards."""
    from course_utils.grading import engine, remote
    from course_utils.grading.limits import MIB, Limits

    limits = Limits(
        cpu_seconds=STEPS * CPU_SECONDS,
        wall_seconds=STEPS * WALL_SECONDS,
        memory_bytes=900 * MIB,
        processes=16,
        file_bytes=16 * MIB,
    )
    SUBMISSIONS.mkdir(exist_ok=True)
    suffix, data = file_of(name.removesuffix(" again"))
    path = SUBMISSIONS / f"{name}{suffix}"
    path.write_bytes(data)
    texts, state, before, began = guard.victims(), own_state(), present(), time.monotonic()
    shorter = mock.patch.multiple(engine, SHARE=STEPS), mock.patch.multiple(remote, _GRACE=GRACE)
    with shorter[0], shorter[1]:
        result = engine.grade_submission(
            path, "week01", seed=SEED, isolation=isolation, limits=limits
        )
    seconds = time.monotonic() - began
    kept = result["questions"][QUESTION]["score"]
    told = {
        "case": name,
        "kept": kept,
        "forged": result["score"] - kept,
        "notes": result["notes"],
        "messages": {key: mark["message"] for key, mark in result["questions"].items()},
        "seconds": round(seconds, 1),
        "left": [] if name == FIRST else left_behind(before),
        "touched": touched(texts),
        "changed": own_state() != state,
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
        for name in [FIRST, *names]:
            print(json.dumps({"begins": name}), flush=True)
            print(json.dumps(grade(name, isolation, server)), flush=True)


if __name__ == "__main__":
    main()
