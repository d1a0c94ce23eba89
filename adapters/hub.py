"""Fetches a stack from the model hub: weights and configuration only, never code.

Not covered here: whether what arrived is safe and fits (weights.py checks every stack, wherever it came from).
"""

from __future__ import annotations

from pathlib import Path

from adapters.manifest import Source
from adapters.weights import CONFIG, RECORD, TENSORS
from conlora_agent.core.errors import WeightsError

WANTED = (CONFIG, TENSORS, RECORD)
CODE = (".py", ".so", ".sh", ".ipynb")
TIMEOUT_S = 10.0


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
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        remedy = "fetch it once while online" if offline else "check its id and the network"
        raise WeightsError(f"the stack {source.hub} cannot be fetched ({line})", remedy) from error


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
