"""Loads models and wraps them for use: the assembled `nano`, a hub id or a folder.

Not covered here: choosing by name (the package), servers elsewhere (remote.py).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from conlora_agent.backbone import backbone_name
from conlora_agent.backbone.files import fetched, folder_revision, snapshot
from conlora_agent.backbone.nano.assemble import Progress, assembled, revision
from conlora_agent.core.errors import BackboneError, first_line
from conlora_agent.core.protocols import Backbone

if TYPE_CHECKING:
    from conlora_agent.backbone.families import Family
    from conlora_agent.settings import Settings

QUIET = ("transformers", "huggingface_hub", "bitsandbytes")
"""Libraries whose warnings are not for users: what fails is an error of ours, what bitsandbytes misses not needed."""


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


def load_hub(source: str, settings: Settings, progress: Progress | None = None) -> Backbone:
    """A transformers image-text-to-text model of a known family, from a folder or the hub. Runs no code that comes
    with it. What was fetched before is taken as it is, and the hub not asked again.

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
    place = _place(source, settings, progress)
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        family = family_of(config)
        parts = _processor(place, family)
        numbers = {"dtype": dtype_of(settings.precision, device)} | quantised(settings.precision, family, device)
        automatic: Any = transformers.AutoModelForImageTextToText
        model, info = automatic.from_pretrained(place, output_loading_info=True, **numbers)
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
    folder = Path(place)
    if not folder.is_dir():
        folder = snapshot(source)
        if progress is not None:
            progress(f"{source} is here", 1.0)
    profile = hub_profile(family, model, parts)
    for problem in profile.mismatches():
        raise _unfit(source, problem)
    return LocalBackbone(backbone_name(source) or source, folder_revision(folder)[:12], profile, **_budgets(settings))


def _place(source: str, settings: Settings, progress: Progress | None) -> str:
    """Where transformers finds the model: a folder where there is one, else the id by which it is fetched now."""
    folder = Path(source) if Path(source).is_dir() else fetched(source)
    if folder is not None:
        return str(folder)
    if settings.offline:
        raise BackboneError(f"the model {source!r} was not fetched yet", "go online once")
    if progress is not None:
        progress(f"fetching {source} from the hub, once", 0.05)
    return source


def _processor(place: str, family: Family) -> SimpleNamespace:
    """What goes before the model. Not its whole processor: some need packages for video, which is never shown here."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    parts = SimpleNamespace(
        tokenizer=tokenizer,
        image_processor=transformers.AutoImageProcessor.from_pretrained(place),
        chat_template=tokenizer.chat_template or _chat_template(place),
    )
    if family.asks_mid:
        parts.mid_tokenizer = _mid_tokenizer(place, family.asks_mid)
    return parts


def _mid_tokenizer(place: str, folder: str) -> Any:
    """The tokenizer in a folder of the model. Raises OSError, which names that folder."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(place, subfolder=folder)
    except (OSError, ValueError) as error:
        raise OSError(f"there is no tokenizer in {folder}/: {first_line(error)}") from error


def _chat_template(place: str) -> str | None:
    """The template of models that keep it beside their processor, where tokenizers do not look."""
    from transformers.utils.hub import cached_file

    found = cached_file(place, "chat_template.json", _raise_exceptions_for_missing_entries=False)
    return json.loads(Path(found).read_text(encoding="utf-8")).get("chat_template") if found else None


def _unfit(source: str, problem: str) -> BackboneError:
    return BackboneError(f"the model {source!r} is not whole: {problem}", "fetch or save it again")


def _budgets(settings: Settings) -> dict[str, int]:
    return {name: getattr(settings, name) for name in ("stacks_mib", "pictures_mib", "prefixes_mib")}


def _quiet(threads: int | None) -> None:
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)
