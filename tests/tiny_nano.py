"""A tiny random `nano` of the real classes, for tests: same code, a thousandth of the size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.backbone.nano.assemble import processor
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.modeling import NanoForConditionalGeneration
from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.nano.processing import IMAGE
from conlora_agent.backbone.nano.profile import NanoProfile

NAMES = ["apple", "car", "dog"]
COLOURS = ["none", "red", "blue"]
SEED = 2


def tiny_tokenizer(text: str = "the quick brown fox reads a blue book") -> Any:
    """A byte-level tokenizer with the special tokens of SmolLM2, to which the words of `text` are single tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")


def tiny_model(
    tokenizer: Any, names: Sequence[str] = NAMES, colours: Sequence[str] = COLOURS
) -> NanoForConditionalGeneration:
    """Random weights, the same every time."""
    torch.manual_seed(SEED)
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=768, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    config = NanoConfig(
        text_config=text.to_dict(), vision_size=64, vision_layers=4, vision_heads=2, stem_size=32, names=[*names],
        colours=[*colours], canvas_area=4096, image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
    )  # fmt: skip
    model = NanoForConditionalGeneration(config)
    torch.manual_seed(SEED)  # what it says does not depend on how much of it sees
    model.language_model = LlamaForCausalLM(text)
    model.tokenizer = tokenizer
    model.mid.take_words(config, tokenizer, model.get_input_embeddings().weight)
    # A silent random model would find nothing to make tokens of.
    torch.nn.init.constant_(model.vision.heads.heat.bias, 0.0)
    # And one that takes every cell for a letter would read for minutes.
    model.vision.heads.glyph.bias.data[0] = 6.7
    return model.eval()


def tiny_backbone(**kwargs: Any) -> LocalBackbone:
    """The driver around a tiny model."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    return LocalBackbone("nano", "tiny", NanoProfile(model, processor(model.config, tokenizer)), **kwargs)


def tiny_stack(folder: Path, seed: int, pattern: str = NANO_PLACES.pattern) -> Path:
    """Random PEFT weights of a stack for the tiny model, saved in `folder`."""
    from peft import LoraConfig, get_peft_model

    model = tiny_model(tiny_tokenizer())
    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=pattern, init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    return folder
