"""`nano`, the embedded default backbone: sees, reads and talks on a laptop CPU with no network."""

from __future__ import annotations


def register() -> None:
    """Make transformers' Auto classes know `nano`. Safe to call twice."""
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageTextToText,
        AutoProcessor,
    )

    from conlora_agent.backbone.nano.configuration import NanoConfig
    from conlora_agent.backbone.nano.modeling import NanoForConditionalGeneration
    from conlora_agent.backbone.nano.processing import NanoImageProcessor, NanoProcessor

    AutoConfig.register(NanoConfig.model_type, NanoConfig, exist_ok=True)
    AutoModelForImageTextToText.register(NanoConfig, NanoForConditionalGeneration, exist_ok=True)
    AutoImageProcessor.register(NanoConfig, slow_image_processor_class=NanoImageProcessor, exist_ok=True)
    AutoProcessor.register(NanoConfig, NanoProcessor, exist_ok=True)
