"""Configuration of the embedded backbone `nano`."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

CELL = 16
"""Side in pixels of one cell of the upper vision layers' grid."""
POINT = 8
"""Side in pixels of one cell of the glyph grid."""


class NanoConfig(PretrainedConfig):
    """Sizes of the vision layers, names the mid layer knows, and the language model's own configuration.

    Args:
        text_config: configuration of the language model (a Llama), as a dict or config object.
        vision_size: width of the upper vision layers.
        vision_layers, vision_heads: depth and attention heads of the upper vision layers.
        stem_size: channels of the glyph stem, the trainable part of the low layers.
        names: object names, in label order; colours likewise.
        max_objects, max_glyphs: at most so many of each are looked at closely.
        canvas_area: pixels of the canvas a picture is fitted into (sides are multiples of 32).
        image_token_id: id of the token that stands for the picture in `input_ids`.
    """

    model_type = "conlora_nano"
    sub_configs: ClassVar[dict[str, Any]] = {"text_config": AutoConfig}

    def __init__(
        self,
        text_config: Any = None,
        vision_size: int = 320,
        vision_layers: int = 4,
        vision_heads: int = 5,
        stem_size: int = 192,
        names: list[str] | None = None,
        colours: list[str] | None = None,
        max_objects: int = 10,
        max_glyphs: int = 320,
        canvas_area: int = 65536,
        image_token_id: int = 5,
        **kwargs: Any,
    ) -> None:
        if isinstance(text_config, dict):
            text_config = AutoConfig.for_model(**{"model_type": "llama", **text_config})
        self.text_config = text_config or AutoConfig.for_model("llama")
        self.vision_size = vision_size
        self.vision_layers = vision_layers
        self.vision_heads = vision_heads
        self.stem_size = stem_size
        self.names = list(names or ["object"])
        self.colours = list(colours or ["none"])
        self.max_objects = max_objects
        self.max_glyphs = max_glyphs
        self.canvas_area = canvas_area
        self.image_token_id = image_token_id
        super().__init__(**kwargs)
