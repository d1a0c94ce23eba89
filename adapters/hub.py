"""Fetches stacks and whole tasks from the model hub: weights, configuration and text only, never code.

Not covered here: whether what arrived is safe and fits (weights.py checks every stack, wherever it came from).
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from adapters.manifest import MANIFEST, Source
from adapters.transfer import MAX_FILES, check_kind
from adapters.weights import CONFIG, RECORD, TENSORS
from conlora_agent.core.errors import ManifestError, WeightsError, first_line

WANTED = (CONFIG, TENSORS, RECORD)
CODE = (".py", ".so", ".sh", ".ipynb")
TIMEOUT_S = 10.0
MAX_BYTES = 4 * 1024**3


def fetch(source: Source, *, offline: bool, endpoint: str | None = None, cache_dir: Path | None = None) -> Path:
    """Folder with the stack that `source.hub` names, taken from the hub's local cache where it is there already.

    Raises WeightsError when it cannot be had, or when the repository carries code.
    """
    from huggingface_hub.errors import EntryNotFoundError, HTTPError  # type: ignore[attr-defined]

    assert source.hub is not None
    try:
        try:
            return _download(source, True, endpoint, cache_dir)
        except EntryNotFoundError:
            if offline:
                raise
        _refuse_code(source, endpoint)
        return _download(source, False, endpoint, cache_dir)
    except (HTTPError, EntryNotFoundError, OSError, ValueError) as error:
        line = first_line(error)
        remedy = "fetch it once while online" if offline else "check its id and the network"
        raise WeightsError(f"the stack {source.hub} cannot be fetched ({line})", remedy) from error


def fetch_task(
    repository: str,
    revision: str | None,
    target: Path,
    *,
    offline: bool,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
) -> Path:
    """Copy the task that a repository on the hub holds into the new folder `target`.

    Raises ManifestError when it cannot be had, or when the repository carries code or anything else that is no part of
    a task; nothing is downloaded then.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    if offline:
        raise ManifestError(f"there is no folder or file {repository}, and the hub is not asked offline", "go online")
    try:
        info = HfApi(endpoint=endpoint).model_info(
            repository, revision=revision, timeout=TIMEOUT_S, files_metadata=True
        )
        names = [file.rfilename for file in info.siblings or () if not file.rfilename.startswith(".")]
        _check_files(repository, names, sum(file.size or 0 for file in info.siblings or ()))
        for name in names:
            found = hf_hub_download(
                repository, name, revision=info.sha, endpoint=endpoint, cache_dir=cache_dir, etag_timeout=TIMEOUT_S
            )
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target / name)
    except (HTTPError, OSError, ValueError) as error:
        line = first_line(error)
        raise ManifestError(
            f"the task {repository} cannot be fetched ({line})", "check its id and the network"
        ) from error
    return target


def _check_files(repository: str, names: list[str], total: int) -> None:
    if len(names) > MAX_FILES or total > MAX_BYTES:
        raise ManifestError(f"{repository} on the hub is too large to be a task", "check its id")
    for name in names:
        if ".." in PurePosixPath(name).parts or name.startswith("/") or "\\" in name:
            raise ManifestError(f"{repository} on the hub holds a path that leads out of it ({name!r})", "check its id")
        check_kind(Path(name), f"{repository} on the hub holds {name}")
    if MANIFEST not in names:
        raise ManifestError(f"{repository} on the hub holds no {MANIFEST}", "name a repository that is a task")


def _download(source: Source, local_only: bool, endpoint: str | None, cache_dir: Path | None) -> Path:
    from huggingface_hub import hf_hub_download

    assert source.hub is not None
    files = [
        hf_hub_download(
            source.hub,
            name,
            revision=source.revision,
            cache_dir=cache_dir,
            endpoint=endpoint,
            local_files_only=local_only,
            etag_timeout=TIMEOUT_S,
        )
        for name in WANTED
    ]
    return Path(files[0]).parent


def _refuse_code(source: Source, endpoint: str | None) -> None:
    from huggingface_hub import HfApi

    assert source.hub is not None
    info = HfApi(endpoint=endpoint).model_info(source.hub, revision=source.revision, timeout=TIMEOUT_S)
    if code := sorted(file.rfilename for file in info.siblings or () if file.rfilename.endswith(CODE)):
        raise WeightsError(f"{source.hub} on the hub carries code ({code[0]})", "use a repository without code")
