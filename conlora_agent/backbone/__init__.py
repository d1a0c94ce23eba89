"""The shared vision-language model: loading it, attaching stacks, generating."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conlora_agent.core.errors import UnknownName

if TYPE_CHECKING:
    from conlora_agent.backbone.nano.assemble import Progress
    from conlora_agent.core.protocols import Backbone
    from conlora_agent.settings import Settings

BACKBONES = ("nano",)


def load_backbone(name: str, settings: Settings, on_progress: Progress | None = None) -> Backbone:
    """The backbone of this name, ready to generate.

    `on_progress(message, fraction done)` is told about first-use assembly. Raises UnknownName or BackboneError.
    """
    if name not in BACKBONES:
        raise UnknownName.among("backbone", name, BACKBONES)
    from conlora_agent.backbone.load import load_nano

    return load_nano(settings.cache, settings.threads, on_progress)
