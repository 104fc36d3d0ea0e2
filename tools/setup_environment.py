"""Set up the environment: a virtual environment with exactly the pinned versions.

    python3 tools/setup_environment.py .venv [TORCH_INDEX]     what make runs
    python3 tools/setup_environment.py --peers .venv           what only tests and benchmarks need
    python3 tools/setup_environment.py --lock requirements.lock   pin anew

PyTorch comes first and alone, so that no other package can choose its build. TORCH_INDEX is the
address of a package index that offers CPU builds, for machines whose default index has none.
Runs on any Python, so that one too old is told so instead of failing on syntax.
"""

import os
import subprocess
import sys

MINIMUM = (3, 11)
STEPS = """environment
PyTorch
everything else
this package""".splitlines()
EXTRAS = {
    "benchmarks": "the libraries to compare with",
    "site": "the driver of a browser",
}
LOCKED = (*EXTRAS, "benchmarks-language")


def fail(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


def run(what, command):
    """Run a command silently; on failure show its last lines and one line that says what to do."""
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = done.communicate()[0].decode("utf-8", "replace")
    if done.returncode:
        sys.stderr.write("\n".join(output.splitlines()[-8:]) + "\n")
        fail(
            "setup: %s could not be installed; check the network and the disk, then try again"
            % what
        )
    return output


def install(venv, lock, torch_index):
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    constraints = ["-c", lock] if lock else []
    index = ["--extra-index-url", torch_index] if torch_index else []
    print("setup: installing the pinned versions into %s (one to three minutes)" % venv)
    run(STEPS[0], [sys.executable, "-m", "venv", "--clear", venv])
    run(STEPS[1], pip + index + constraints + ["torch==" + pinned("torch")])
    run(STEPS[2], pip + constraints + ["-r", "requirements.txt"])
    run(STEPS[3], pip + ["--no-deps", "--no-build-isolation", "-e", "."])
    run("the font cache", [python, "-c", "import matplotlib.font_manager"])


def install_peers(venv):
    """Add the libraries that tests and benchmarks compare with, and what drives a browser.

    The course needs none of them: without them those tests are skipped, and say so. Each extra is
    tried by itself, so that one that cannot be had takes no other with it.
    """
    print("setup: installing the libraries to compare with, and what drives a browser")
    lacking = [extra for extra in EXTRAS if add_peers(venv, ["-c", "requirements.lock"], [extra])]
    if lacking:
        names = " and ".join(EXTRAS[extra] for extra in lacking)
        print("setup: %s could not be installed; tests with them will be skipped" % names)
        return
    open(os.path.join(venv, ".peers"), "w").close()


def add_peers(venv, constraints, extras):
    """Install extras of the package; return whether that failed."""
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-build-isolation"]
    with open(os.devnull, "w") as nowhere:
        command = pip + constraints + ["-e", ".[%s]" % ",".join(extras)]
        return subprocess.call(command, stdout=nowhere, stderr=nowhere)


def pinned(name):
    with open("requirements.txt") as file:
        return next(line.split("==")[1].strip() for line in file if line.startswith(name + "=="))


def lock(path):
    """Install everything, peers too, into a scratch environment and write what came."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        install(scratch, None, None)
        if add_peers(scratch, [], LOCKED):
            fail("lock: the libraries to compare with could not be installed")
        python = os.path.join(scratch, "bin", "python")
        frozen = run("the list", [python, "-m", "pip", "freeze", "--all", "--exclude-editable"])
    lines = [line.split("+cpu")[0] for line in frozen.splitlines() if "==" in line]
    with open(path, "w") as file:
        file.write("# Made by make lock; constraints for requirements.txt and the peers.\n")
        file.write("\n".join(line for line in lines if not line.startswith("pip==")) + "\n")
    print("setup: wrote %s (%d packages)" % (path, len(lines)))


def main(arguments):
    if sys.version_info < MINIMUM:
        fail(
            "Python: expected 3.11 or newer, got %d.%d (%s); try make PYTHON=python3.11 ..."
            % (sys.version_info[0], sys.version_info[1], sys.executable)
        )
    if arguments[:1] == ["--lock"]:
        return lock(arguments[1])
    if arguments[:1] == ["--peers"]:
        return install_peers(arguments[1])
    venv = arguments[0]
    try:
        install(venv, "requirements.lock", arguments[1] if len(arguments) > 1 else None)
        open(os.path.join(venv, ".ready"), "w").close()
    except OSError as error:
        fail("setup: cannot write %s: %s" % (error.filename or venv, error.strerror))


if __name__ == "__main__":
    main(sys.argv[1:])
