"""The shared vision-language model: loading it, attaching stacks, generating."""

from __future__ import annotations

import difflib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from conlora_agent.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from conlora_agent.backbone.nano.assemble import Progress
    from conlora_agent.core.protocols import Backbone
    from conlora_agent.settings import Precision, Settings

BACKBONES = ("nano",)


def check_backbone(name: str) -> None:
    """Raise UnknownName for what can be no backbone: `nano`, a folder, a hub id `owner/name`, or a server's address."""
    if is_server(name) and not _has_host(name):
        raise UnknownName(f"{name!r} is no address of a server", "write it as http://HOST:PORT/v1#MODEL")
    if name in BACKBONES or is_server(name) or (Path(name) / "config.json").is_file():
        return
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name, re.ASCII) or Path(name).exists():
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        meant = f"did you mean {near[0]!r}? Else " if near else ""
        raise UnknownName(
            f"there is no backbone {name!r}",
            f"{meant}give nano, a folder with a config.json, a hub id owner/name, or http://HOST:PORT/v1#MODEL",
        )


def check_precision(precision: Precision, name: str) -> None:
    """Raise BadInput for numbers that this backbone, or this installation, does not compute in."""
    if precision == "auto":
        return
    if is_server(name):
        raise BadInput(f"{name} computes as its server was told to", "leave --precision at auto")
    if precision in ("8bit", "4bit"):
        if name in BACKBONES:
            raise BadInput(f"{precision} is for large backbones: {name} is a few hundred megabytes", "use bf16")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise BadInput(f"{precision} needs the package bitsandbytes", "run: pip install bitsandbytes")


def is_server(name: str) -> bool:
    """Whether a backbone's name is the address of a server."""
    return name.startswith(("http://", "https://"))


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large a one
        return False


def backbone_name(name: str) -> str | None:
    """What manifests call a backbone: the last part of a model's id or folder, in lower-case letters, digits and `_`.

    None for a server of which no model is named: it says itself which it serves.
    """
    if is_server(name):
        name = name.partition("#")[2]
        return _table_name(name) if name else None
    return _table_name(Path(name).resolve().name if Path(name).is_dir() else name)


def _table_name(model: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", model.rstrip("/").rpartition("/")[2].lower()).strip("_")
    return (name if name[:1].isalpha() else f"model_{name}")[:40]


def load_backbone(name: str, settings: Settings, on_progress: Progress | None = None) -> Backbone:
    """The backbone of this name, ready to generate.

    `on_progress(message, fraction done)` is told about first-use assembly and fetching.
    Raises UnknownName, BadInput for a precision that it has not, or BackboneError.
    """
    check_backbone(name)
    check_precision(settings.precision, name)
    if is_server(name):
        from conlora_agent.backbone.remote import RemoteBackbone

        return RemoteBackbone(name, key=settings.backbone_key, timeout_s=settings.backbone_timeout_s)
    from conlora_agent.backbone.load import load_hub, load_nano

    if name in BACKBONES:
        return load_nano(settings, on_progress)
    return load_hub(name, settings, on_progress)
