"""Where a task to be added may come from: a folder, a ZIP file, or a repository on the model hub."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.archive import unpack
from adapters.hub import fetch_task
from adapters.manifest import check_hub_id
from conlora_agent.core.errors import ManifestError

AT = re.compile(r"(?P<id>[^@]+)(?:@(?P<revision>[^@]+))?")


@contextmanager
def task_folder(
    source: str, *, offline: bool, endpoint: str | None = None, cache_dir: Path | None = None
) -> Iterator[Path]:
    """The folder of the task that `source` names, for as long as the context lasts.

    `source` is the path of a folder or of a ZIP file, or a hub id (`owner/name`, `owner/name@revision`); a path that is
    there wins. Raises ManifestError for what cannot be had or is refused.
    """
    path = Path(source)
    if not (path.is_dir() or path.is_file() or _is_hub_id(source)):
        raise ManifestError(f"there is no folder or file {source!r}", "give a task folder, a ZIP of one, or owner/name")
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="conlora-") as staged:
        target = Path(staged) / "task"
        if path.is_file():
            yield unpack(path, target)
            return
        named = AT.fullmatch(source)
        assert named is not None
        yield fetch_task(
            named["id"], named["revision"], target, offline=offline, endpoint=endpoint, cache_dir=cache_dir
        )


def _is_hub_id(source: str) -> bool:
    named = AT.fullmatch(source)
    try:
        return named is not None and bool(check_hub_id(named["id"]))
    except ValueError:
        return False
