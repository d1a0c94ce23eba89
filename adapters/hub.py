"""Fetches a stack from the model hub: weights and configuration only, never code.

Not covered here: whether what arrived is safe and fits (weights.py checks every stack, wherever it came from).
"""

from __future__ import annotations

from pathlib import Path

from adapters.manifest import Source
from conlora_agent.core.errors import WeightsError

WANTED = ["adapter_config.json", "adapter_model.safetensors", "stack.json"]
CODE = (".py", ".so", ".sh", ".ipynb")


def fetch(source: Source, *, offline: bool, endpoint: str | None = None, cache_dir: Path | None = None) -> Path:
    """Folder with the stack that `source.hub` names, from the local cache where it is there already.

    Raises WeightsError when it cannot be had, or when the repository carries code.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    assert source.hub is not None
    try:
        if not offline:
            listed = HfApi(endpoint=endpoint).list_repo_files(source.hub, revision=source.revision)
            if code := sorted(name for name in listed if name.endswith(CODE)):
                raise WeightsError(f"{source.hub} on the hub carries code ({code[0]})", "use a repository without code")
        folder = snapshot_download(
            source.hub,
            revision=source.revision,
            allow_patterns=WANTED,
            local_files_only=offline,
            endpoint=endpoint,
            cache_dir=cache_dir,
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        line = str(error).strip().splitlines()[0][:200]
        raise WeightsError(
            f"the stack {source.hub} cannot be fetched ({line})", "check its id and the network"
        ) from error
    return Path(folder)
