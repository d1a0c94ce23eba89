"""Tiny random models of the real transformers classes, one for each family that is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers as T
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from conlora_agent.backbone.families import family_of
from conlora_agent.backbone.hub import HubProfile
from conlora_agent.backbone.profiles import hub_profile

CORPUS = ["Is the door damaged? Yes, there is a dent on the left side.", "the quick brown fox 0123456789"] * 10
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{m['role']}}\n{% for c in m['content'] %}{% if c['type']=='image' %}IMAGE"
    "{% else %}{{c['text']}}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4}
SQUARE = {"image_size": 28, "patch_size": 14}
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "bos_token_id": None}  # fmt: skip


def tokenizer(*special: str, image: str) -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokens = ["<|pad|>", "<|im_end|>", "<|im_start|>", *special, image]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=tokens, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    fast = T.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|pad|>")
    fast.chat_template = TEMPLATE.replace("IMAGE", image)
    return fast


def text_of(tok: Any, **more: Any) -> dict[str, Any]:
    ids = {"vocab_size": len(tok), "eos_token_id": tok.eos_token_id, "pad_token_id": tok.pad_token_id}
    return {**TEXT, **ids, **more}


def processor(tok: Any, images: Any) -> Any:
    return SimpleNamespace(tokenizer=tok, image_processor=images)


def llava() -> tuple[Any, Any]:
    tok = tokenizer(image="<image>")
    config = T.LlavaConfig(
        text_config=T.LlamaConfig(**text_of(tok)).to_dict(),
        vision_config=T.CLIPVisionConfig(**VISION, **SQUARE).to_dict(),
        image_token_id=tok.convert_tokens_to_ids("<image>"), vision_feature_layer=-2,
    )  # fmt: skip
    images = T.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return T.LlavaForConditionalGeneration(config), processor(tok, images)


def idefics(kind: str = "Idefics3") -> tuple[Any, Any]:
    tok = tokenizer("<fake_token_around_image>", "<global-img>", image="<image>")
    config = getattr(T, kind + "Config")(
        text_config=T.LlamaConfig(**text_of(tok)).to_dict(), vision_config={**VISION, **SQUARE}, scale_factor=2,
        image_token_id=tok.convert_tokens_to_ids("<image>"), pad_token_id=tok.pad_token_id,
    )  # fmt: skip
    images = getattr(T, kind + "ImageProcessorPil")(
        size={"longest_edge": 28}, max_image_size={"longest_edge": 28}, do_image_splitting=False
    )
    return getattr(T, kind + "ForConditionalGeneration")(config), processor(tok, images)


def qwen(kind: str, patch: int, **vision: Any) -> tuple[Any, Any]:
    tok = tokenizer("<|vision_start|>", "<|vision_end|>", "<|video_pad|>", image="<|image_pad|>")
    ids = tok.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    config = getattr(T, kind + "Config")(
        text_config=text_of(tok, rope_parameters=rope, head_dim=16),
        vision_config={"depth": 4, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 64,
                       "patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision},
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
    )  # fmt: skip
    side = 2 * patch
    images = T.Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": side * side, "longest_edge": side * side * 8},
    )  # fmt: skip
    return getattr(T, kind + "ForConditionalGeneration")(config), processor(tok, images)


def paligemma() -> tuple[Any, Any]:
    tok = tokenizer(image="<image>")
    config = T.PaliGemmaConfig(
        text_config=T.GemmaConfig(**text_of(tok, head_dim=16)).to_dict(),
        vision_config=T.SiglipVisionConfig(**VISION, **SQUARE).to_dict(), projection_dim=64,
        image_token_id=tok.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    images = T.SiglipImageProcessorPil(size={"height": 28, "width": 28})
    return T.PaliGemmaForConditionalGeneration(config), processor(tok, images)


def internvl() -> tuple[Any, Any]:
    tok = tokenizer("<img>", "</img>", image="<IMG_CONTEXT>")
    config = T.InternVLConfig(
        text_config=T.Qwen2Config(**text_of(tok)).to_dict(),
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [7, 7]},
        image_token_id=tok.convert_tokens_to_ids("<IMG_CONTEXT>"), downsample_ratio=0.5,
    )  # fmt: skip
    images = T.GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, crop_to_patches=False)
    return T.InternVLForConditionalGeneration(config), processor(tok, images)


def blip2(text: str = "OPT", kind: str = "Blip2") -> tuple[Any, Any]:
    tok = tokenizer(image="<image>")
    words = tokenizer(image="<image>")  # of the Q-Former, where it reads
    more = {"ffn_dim": 128, "word_embed_proj_dim": 64, "max_position_embeddings": 256} if text == "OPT" else {}
    config = getattr(T, kind + "Config")(
        vision_config={**VISION, **SQUARE},
        qformer_config={"vocab_size": len(words), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                        "intermediate_size": 64, "encoder_hidden_size": 32, "cross_attention_frequency": 1},
        text_config=getattr(T, text + "Config")(**text_of(tok, **more)).to_dict(), num_query_tokens=4,
        image_token_index=tok.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    images = T.BlipImageProcessorPil(size={"height": 28, "width": 28})
    parts = processor(tok, images)
    if kind == "InstructBlip":
        parts.mid_tokenizer = words
    return getattr(T, kind + "ForConditionalGeneration")(config), parts


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": llava,
    "idefics3": idefics,
    "smolvlm": lambda: idefics("SmolVLM"),
    "qwen2_5_vl": lambda: qwen("Qwen2_5_VL", 14, window_size=56, fullatt_block_indexes=[1, 3]),
    "qwen3_vl": lambda: qwen("Qwen3VL", 16, num_position_embeddings=64, deepstack_visual_indexes=[0, 2]),
    "paligemma": paligemma,
    "internvl": internvl,
    "blip-2": blip2,
    "instructblip": lambda: blip2("Llama", "InstructBlip"),
}


def tiny(kind: str) -> tuple[Any, Any]:
    """Random weights, the same every time."""
    torch.manual_seed(0)
    model, parts = MAKERS[kind]() if kind in MAKERS else blip2("Llama")
    for name, weight in model.named_parameters():  # what starts at zero would hide what lies behind it
        if name.endswith(("query_tokens", "class_embedding")):
            torch.nn.init.normal_(weight, std=0.5)
    return model.eval(), parts


def save_tiny(kind: str, folder: Path) -> Path:
    """The same as a folder that loads by its name."""
    model, parts = tiny(kind)
    for part in (model, parts.tokenizer, parts.image_processor):
        part.save_pretrained(folder)
    if hasattr(parts, "mid_tokenizer"):
        parts.mid_tokenizer.save_pretrained(folder / "qformer_tokenizer")
    return folder


def tiny_profile(kind: str) -> HubProfile:
    """A tiny model, driven by its family's profile."""
    model, parts = tiny(kind)
    return hub_profile(family_of(model.config), model, parts)


def tiny_family_stack(kind: str, folder: Path, seed: int) -> Path:
    """A random stack over all three parts of a tiny model, in PEFT format."""
    from peft import LoraConfig, get_peft_model

    made = tiny_profile(kind)
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=made.places.pattern, init_lora_weights=False)
    get_peft_model(made.model, config).save_pretrained(folder)
    return folder
