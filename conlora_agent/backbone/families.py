"""Families of transformers image-text-to-text models: where their parts are, and how their prompts look.

A family is a short record; what does not fit in one is a small subclass of HubProfile (hub.py). Encoder-decoders, such
as Florence-2 and BLIP-2 with T5, have no conversation whose key-values could serve every stack: they are refused by
name, and so is every family that is not listed, rather than run on a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from conlora_agent.backbone import boxes
from conlora_agent.backbone.boxes import Notation
from conlora_agent.core.errors import BackboneError


@dataclass(frozen=True)
class Family:
    """Module names are full names in the model that `AutoModelForImageTextToText` loads."""

    name: str
    tower: str
    """The vision encoder."""
    layers: str
    """Its list of layers."""
    adapted: str
    """What stacks adapt inside one of those layers, a regular expression."""
    mid: str
    """What stacks adapt between vision encoder and language model."""
    language: str
    """The language model without its head."""
    head: str = "lm_head"
    around: tuple[str, str] = ("", "")
    """What stands before and after the picture's tokens."""
    plain: str = ""
    """How the family writes a request, `{instruction}`, where its models have no chat template."""
    asks_mid: str = ""
    """Folder of the tokenizer through which the mid layer reads the instruction, where it does."""
    rank: int = 16
    """Of the language model's LoRAs by default."""
    rate: float = 2e-4
    """Learning rate of stacks by default: larger language models take smaller steps than `nano`."""
    notation: Notation | None = None
    """How the family writes boxes by itself, None where it does not."""
    box_range: int = 100
    """Stacks write boxes as integers 0..box_range-1: as fine as the family's own notation, 100 where it has none."""


LLAVA = Family(
    "llava", "model.vision_tower", "encoder.layers", r"self_attn\.[qv]_proj",
    r"model\.multi_modal_projector\.linear_[12]", "model.language_model",
)  # fmt: skip
IDEFICS = Family(
    "idefics3", "model.vision_model", "encoder.layers", r"self_attn\.[qv]_proj",
    r"model\.connector\.modality_projection\.proj", "model.text_model",
    around=("<fake_token_around_image><global-img>", "<fake_token_around_image>"),
)  # fmt: skip
QWEN2 = Family(
    "qwen2_5_vl", "model.visual", "blocks", r"attn\.qkv", r"model\.visual\.merger\.mlp\.[02]", "model.language_model",
    around=("<|vision_start|>", "<|vision_end|>"), notation=boxes.QWEN2_5_VL, box_range=1000,
)  # fmt: skip
QWEN3 = Family(
    "qwen3_vl", "model.visual", "blocks", r"attn\.qkv", r"model\.visual\.merger\.linear_fc[12]", "model.language_model",
    around=("<|vision_start|>", "<|vision_end|>"), notation=boxes.QWEN3_VL, box_range=1000,
)  # fmt: skip
PALIGEMMA = Family(
    "paligemma", "model.vision_tower", "encoder.layers", r"self_attn\.[qv]_proj",
    r"model\.multi_modal_projector\.linear", "model.language_model", plain="{instruction}\n",
    notation=boxes.PALIGEMMA, box_range=1000,
)  # fmt: skip
INTERNVL = Family(
    "internvl", "model.vision_tower", "encoder.layer", r"attention\.[qv]_proj",
    r"model\.multi_modal_projector\.linear_[12]", "model.language_model", around=("<img>", "</img>"),
    notation=boxes.INTERNVL, box_range=1000,
)  # fmt: skip
BLIP2 = Family(
    "blip-2", "vision_model", "encoder.layers", r"self_attn\.qkv",
    r"(qformer\.encoder\.layer\.\d+\.(attention|crossattention)\.attention\.(query|value)|language_projection)",
    "language_model.model", head="language_model.lm_head", plain="Question: {instruction} Answer:",
)  # fmt: skip

INSTRUCTBLIP = replace(BLIP2, name="instructblip", plain="{instruction}", asks_mid="qformer_tokenizer")
OPT = "language_model.model.decoder"
"""Where BLIP models have an OPT for a language model."""

FAMILIES = {
    "llava": LLAVA,
    "idefics3": IDEFICS,
    "smolvlm": IDEFICS,
    "qwen2_5_vl": QWEN2,
    "qwen3_vl": QWEN3,
    "paligemma": PALIGEMMA,
    "internvl": INTERNVL,
    "blip-2": BLIP2,
    "instructblip": INSTRUCTBLIP,
}
"""Families by transformers' `model_type`."""


def family_of(config: Any) -> Family:
    """The family of a model, by its configuration. Raises BackboneError for those that cannot be driven."""
    model_type, text = config.model_type, config.get_text_config()
    known = ", ".join(FAMILIES)
    if config.is_encoder_decoder or text.is_encoder_decoder:
        raise BackboneError(
            f"models of the kind {model_type!r} with an encoder and a decoder keep no conversation",
            f"choose a model of one of these kinds: {known}; or give the address of a server that runs it",
        )
    if model_type not in FAMILIES:
        raise BackboneError(f"models of the kind {model_type!r} are not known here", f"known kinds: {known}")
    family = FAMILIES[model_type]
    return replace(family, language=OPT) if text.model_type == "opt" else family
