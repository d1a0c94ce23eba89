"""Loads models and wraps them for use: the assembled `nano`, a hub id or a folder.

Not covered here: choosing by name (the package), servers elsewhere (remote.py).
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from conlora_agent.backbone.nano.assemble import Progress, assembled, revision
from conlora_agent.core.errors import BackboneError, first_line
from conlora_agent.core.protocols import Backbone


def load_nano(cache: Path, threads: int | None = None, progress: Progress | None = None) -> Backbone:
    """`nano`, assembled under `cache` if need be. `threads` limits torch's threads."""
    import transformers

    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.nano import register
    from conlora_agent.backbone.nano.profile import NanoProfile
    from conlora_agent.backbone.numbers import native_dtype

    _quiet(threads)
    folder = assembled(cache, progress)
    register()
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=native_dtype())
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return LocalBackbone("nano", revision(), NanoProfile(model, processor))


def load_hub(source: str, threads: int | None = None, *, offline: bool = False) -> Backbone:
    """A transformers image-text-to-text model of a known family, from a folder or the hub. Runs no code that comes
    with it. `offline`: only what was fetched before.

    Raises BackboneError.
    """
    import torch
    import transformers

    from conlora_agent.backbone.families import family_of
    from conlora_agent.backbone.hub import hub_profile
    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.numbers import native_dtype

    _quiet(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = native_dtype(device)
    try:
        config = transformers.AutoConfig.from_pretrained(source, local_files_only=offline)
        text = config.get_text_config()
        family = family_of(config.model_type, bool(config.is_encoder_decoder or text.is_encoder_decoder))
        # Not the whole processor: some need packages for video, which is never shown here.
        parts = SimpleNamespace(
            tokenizer=transformers.AutoTokenizer.from_pretrained(source, local_files_only=offline),
            image_processor=transformers.AutoImageProcessor.from_pretrained(source, local_files_only=offline),
        )
        model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
            source, dtype=kind, local_files_only=offline
        )
        model.to(device)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        why = first_line(error)
        raise BackboneError(f"the model {source!r} does not load ({why})", "check its name, or its folder") from error
    made = getattr(config, "_commit_hash", None) or folder_revision(Path(source))
    return LocalBackbone(backbone_name(source), made[:12], hub_profile(family, model, parts))


def _quiet(threads: int | None) -> None:
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)


def backbone_name(source: str) -> str:
    """What manifests call a model: the last part of its id or folder, in lower-case letters, digits and `_`."""
    name = re.sub(r"[^a-z0-9]+", "_", source.rstrip("/").rpartition("/")[2].lower()).strip("_")
    return (name if name[:1].isalpha() else f"model_{name}")[:40]


def folder_revision(folder: Path) -> str:
    """Names the weights in a folder: changes with its configuration and with the first MiB of each weights file."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
        with path.open("rb") as stream:
            digest.update(stream.read(1 << 20))
    return digest.hexdigest()
