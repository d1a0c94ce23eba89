"""The files of a transformers model: whether they were fetched from the hub before, and a name for what is in them.

Not covered here: fetching them, and what is made of them (load.py).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

KINDS = ("model.safetensors", "pytorch_model.bin")
WHAT_COUNTS = ("config.json", "model*.safetensors", "pytorch_model*.bin")
PREPARATION = ("processor_config.json", "preprocessor_config.json")
SAMPLES, SAMPLE = 512, 1 << 14
"""How many places of a weights file are looked at, and how many bytes there: 8 MiB take a few milliseconds."""


def fetched(source: str) -> Path | None:
    """The folder in the hub's local cache with everything that the model `source` needs, None where anything lacks."""
    config = _cached(source, "config.json")
    # Generation settings are asked for last, and the cache knows, too, that a model has none.
    if config is None or not _known(source, "generation_config.json"):
        return None
    # Another program may have fetched the weights alone.
    if not any(_cached(source, one) for one in PREPARATION) or not _cached(source, "tokenizer_config.json"):
        return None
    if any(_cached(source, kind) for kind in KINDS):
        return config.parent
    indices = [index for kind in KINDS if (index := _cached(source, f"{kind}.index.json"))]
    maps = [json.loads(index.read_text(encoding="utf-8"))["weight_map"] for index in indices]
    return config.parent if any(all(_cached(source, one) for one in set(shards.values())) for shards in maps) else None


def snapshot(source: str) -> Path:
    """The folder in the hub's local cache of a model that was just loaded from there."""
    config = _cached(source, "config.json")
    assert config is not None
    return config.parent


def _cached(source: str, name: str) -> Path | None:
    found = _known(source, name)
    return Path(found) if isinstance(found, str) else None


def _known(source: str, name: str) -> object:
    """Path of a cached file, something else that is true where the repository is known to lack it, else None."""
    from huggingface_hub import try_to_load_from_cache

    return try_to_load_from_cache(source, name)


def folder_revision(folder: Path) -> str:
    """Names the weights in a folder, one of the hub's cache too: by the configuration and by what stands at `SAMPLES`
    places all over each weights file, so that a model trained further is told from the one before. (A
    change within less than one of SAMPLES parts of a file may stand between them.)

    What else changes in a repository does not count: a stack outlives a corrected README.
    """
    digest = hashlib.sha256()
    for path in sorted(path for kind in WHAT_COUNTS for path in folder.glob(kind)):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as stream:
            for place in range(0, size, max(SAMPLE, size // SAMPLES)):
                stream.seek(place)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()
