"""Build the site from executed chapters: nothing is executed here, and a warning is an error.

python tools/build.py
"""

import shutil
import subprocess
import sys
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

import store
from chapters import BUILD, ROOT, find_chapters, key

SITE = BUILD / "html"


def fill_cache() -> list[str]:
    """Make the cache the build reads anew from the store; return chapters that are not executed."""
    path = BUILD / ".jupyter_cache"
    shutil.rmtree(path, ignore_errors=True)
    cache = get_cache(path)
    missing = []
    for chapter in find_chapters():
        notebook = store.load(key(chapter))
        if notebook is None:
            missing.append(chapter.name)
            continue
        seconds = notebook.metadata.course.wall_seconds
        bundle = CacheBundleIn(notebook, str(chapter.path), data={"execution_seconds": seconds})
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return missing


def build() -> int:
    """Run Jupyter Book, strict; print its warnings and the way in, or the whole log on failure."""
    missing = fill_cache()
    if missing:
        print(f"not executed: {', '.join(missing)}; run make execute", file=sys.stderr)
        return 1
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)]
    command += ["--all", "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        return done.returncode
    print(f"site: {SITE.relative_to(ROOT)}/book/index.html   (make serve opens it on a local port)")
    return 0


def main() -> int:
    """Build; a folder that cannot be written gives one line."""
    try:
        return build()
    except OSError as error:
        where = error.filename or "the build folder"
        print(f"cannot write {where}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
