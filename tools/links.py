"""The links that lead out of the site: a list to look at, never a failure.

    python tools/links.py [--out FILE]

Writes one line for each address, with the pages that point to it. Nothing is asked for over a
network, so that a list can be made anywhere, and a page that is down for an hour breaks no build.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from bs4 import BeautifulSoup, SoupStrainer

from build import SITE
from chapters import BUILD, ROOT

REPORT = BUILD / "external_links.txt"
LINKS = SoupStrainer("a", href=True)


def pages(site: Path) -> list[Path]:
    """The pages of a built site, without what its theme brings along."""
    return sorted(path for path in site.rglob("*.html") if site / "_static" not in path.parents)


def external_links(paths: Iterable[Path], site: Path) -> dict[str, list[str]]:
    """For each address outside the site, without its fragment, the pages that link to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for link in BeautifulSoup(text, "html.parser", parse_only=LINKS).select("a[href]"):
            address = urldefrag(link["href"].strip())[0]
            if urlsplit(address).netloc:
                found[address].add(str(path.relative_to(site)))
    return {address: sorted(found[address]) for address in sorted(found)}


def report(links: dict[str, list[str]]) -> str:
    """The list as text, by host: a host's line, then its addresses and where they stand."""
    lines = []
    hosts = sorted({urlsplit(address).netloc for address in links})
    for host in hosts:
        own = {a: where for a, where in links.items() if urlsplit(a).netloc == host}
        lines.append(f"{host}: {len(own)}")
        for address, where in own.items():
            more = f" and {len(where) - 1} more" if len(where) > 1 else ""
            lines.append(f"  {address}   ({where[0]}{more})")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the list, and say how many addresses are in it."""
    parser = argparse.ArgumentParser(description="List the links that lead out of the site.")
    parser.add_argument("--out", type=Path, default=REPORT)
    out = parser.parse_args(arguments).out
    found = pages(SITE)
    if not found:
        print("no site yet: run make book first", file=sys.stderr)
        return 2
    links = external_links(found, SITE)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report(links), encoding="utf-8")
    shown = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
    print(f"{len(links)} addresses outside the site, listed in {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
