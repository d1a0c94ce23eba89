"""Loads models and wraps them for use: the assembled `nano`, a hub id or a folder.

Not covered here: choosing by name (the package), servers elsewhere (remote.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from conlora_agent.backbone import backbone_name
from conlora_agent.backbone.nano.assemble import Progress, assembled, revision
from conlora_agent.core.errors import BackboneError, first_line
from conlora_agent.core.protocols import Backbone

if TYPE_CHECKING:
    from conlora_agent.backbone.families import Family
    from conlora_agent.settings import Settings

WEIGHTS = ("config.json", "*.safetensors", "pytorch_model*.bin")
SAMPLES, SAMPLE = 512, 1 << 14
"""How many places of a weights file are looked at, and how many bytes there: 8 MiB take a few milliseconds."""


def load_nano(settings: Settings, progress: Progress | None = None) -> Backbone:
    """`nano`, assembled in the cache if need be."""
    import transformers

    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.nano import register
    from conlora_agent.backbone.nano.profile import NanoProfile
    from conlora_agent.backbone.numbers import dtype_of

    _quiet(settings.threads)
    folder = assembled(settings.cache, progress)
    register()
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype_of(settings.precision))
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return LocalBackbone("nano", revision(), NanoProfile(model, processor), **_budgets(settings))


def load_hub(source: str, settings: Settings) -> Backbone:
    """A transformers image-text-to-text model of a known family, from a folder or the hub. Runs no code that comes
    with it. Offline it takes only what was fetched before.

    Raises BackboneError.
    """
    import torch
    import transformers

    from conlora_agent.backbone.families import family_of
    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.numbers import dtype_of, keep_learnable, quantised
    from conlora_agent.backbone.profiles import hub_profile

    _quiet(settings.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where: dict[str, Any] = {"local_files_only": settings.offline}
    try:
        config = transformers.AutoConfig.from_pretrained(source, **where)
        family = family_of(config)
        parts = _processor(source, family, where)
        numbers = {"dtype": dtype_of(settings.precision, device)} | quantised(settings.precision, family, device)
        automatic: Any = transformers.AutoModelForImageTextToText
        model, info = automatic.from_pretrained(source, output_loading_info=True, **numbers, **where)
        if "quantization_config" in numbers:
            keep_learnable(model)
        else:
            model.to(device)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        why = first_line(error)
        raise BackboneError(f"the model {source!r} does not load ({why})", "check its name, or its folder") from error
    # transformers fills in what is missing with random numbers.
    if missing := sorted(info["missing_keys"]):
        raise _unfit(
            source, f"its weights lack {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
        )
    made = getattr(config, "_commit_hash", None) or folder_revision(Path(source))
    profile = hub_profile(family, model, parts)
    for problem in profile.mismatches():
        raise _unfit(source, problem)
    return LocalBackbone(backbone_name(source) or source, made[:12], profile, **_budgets(settings))


def _processor(source: str, family: Family, where: dict[str, Any]) -> SimpleNamespace:
    """What goes before the model. Not its whole processor: some need packages for video, which is never shown here."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(source, **where)
    parts = SimpleNamespace(
        tokenizer=tokenizer,
        image_processor=transformers.AutoImageProcessor.from_pretrained(source, **where),
        chat_template=tokenizer.chat_template or _chat_template(source, where),
    )
    if family.asks_mid:
        parts.mid_tokenizer = _mid_tokenizer(source, family.asks_mid, where)
    return parts


def _mid_tokenizer(source: str, folder: str, where: dict[str, Any]) -> Any:
    """The tokenizer in a folder of the model. Raises OSError, which names that folder."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(source, subfolder=folder, **where)
    except (OSError, ValueError) as error:
        raise OSError(f"there is no tokenizer in {folder}/: {first_line(error)}") from error


def _chat_template(source: str, where: dict[str, Any]) -> str | None:
    """The template of models that keep it beside their processor, where tokenizers do not look."""
    from transformers.utils.hub import cached_file

    found = cached_file(source, "chat_template.json", **where, _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(found).read_text(encoding="utf-8")).get("chat_template") if found else None


def _unfit(source: str, problem: str) -> BackboneError:
    return BackboneError(f"the model {source!r} is not whole: {problem}", "fetch or save it again")


def _budgets(settings: Settings) -> dict[str, int]:
    return {name: getattr(settings, name) for name in ("stacks_mib", "pictures_mib", "prefixes_mib")}


def _quiet(threads: int | None) -> None:
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    for library in ("transformers", "bitsandbytes"):  # the latter, when PEFT looks for it, warns of what is not needed
        logging.getLogger(library).setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)


def folder_revision(folder: Path) -> str:
    """Names the weights in a folder: changes with its configuration and with what stands at `SAMPLES` places all over
    each weights file, so that a model trained further is told from the one before wherever it changed."""
    digest = hashlib.sha256()
    for path in sorted(path for kind in WEIGHTS for path in folder.glob(kind)):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as stream:
            for place in range(0, size, max(SAMPLE, size // SAMPLES)):
                stream.seek(place)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()
