"""The shared vision-language model: loading it, attaching stacks, generating."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from conlora_agent.core.errors import UnknownName

if TYPE_CHECKING:
    from conlora_agent.backbone.nano.assemble import Progress
    from conlora_agent.core.protocols import Backbone
    from conlora_agent.settings import Settings

BACKBONES = ("nano",)


def check_backbone(name: str) -> None:
    """Raise UnknownName for what can be no backbone: `nano`, a folder, a hub id `owner/name`, or a server's address."""
    if name in BACKBONES or is_server(name) or (Path(name) / "config.json").is_file():
        return
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name, re.ASCII) or Path(name).exists():
        near = difflib.get_close_matches(name, BACKBONES, n=1)
        meant = f"did you mean {near[0]!r}? Else " if near else ""
        raise UnknownName(
            f"there is no backbone {name!r}",
            f"{meant}give nano, a folder with a config.json, a hub id owner/name, or http://HOST:PORT/v1#MODEL",
        )


def is_server(name: str) -> bool:
    """Whether a backbone's name is the address of a server."""
    return name.startswith(("http://", "https://"))


def load_backbone(name: str, settings: Settings, on_progress: Progress | None = None) -> Backbone:
    """The backbone of this name, ready to generate.

    `on_progress(message, fraction done)` is told about first-use assembly. Raises UnknownName or BackboneError.
    """
    check_backbone(name)
    if is_server(name):
        from conlora_agent.backbone.remote import RemoteBackbone

        return RemoteBackbone(name, key=settings.backbone_key, timeout_s=settings.backbone_timeout_s)
    from conlora_agent.backbone.load import load_hub, load_nano

    if name in BACKBONES:
        return load_nano(settings.cache, settings.threads, on_progress)
    return load_hub(name, settings.threads, offline=settings.offline)
