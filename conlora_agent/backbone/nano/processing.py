"""Pictures to pixels and messages to ids, in the prompt layout that `nano`'s stacks are trained in.

Layout: the conversation so far is text only; then comes the last user message, picture first, then the instruction:

    <|im_start|>system ... <|im_end|> <|im_start|>user ... <|im_end|> ... <|im_start|>user\\n   (adapters off)
    <image> instruction <|im_end|>\\n<|im_start|>assistant\\n                                     (stack on)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import BatchFeature, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor

from conlora_agent.core.types import Message

ENLARGE = 2.0
"""Small pictures are shown at most this much larger than they are."""
DETAIL = 1 << 20
"""Pixels of the largest picture that text is read in; larger ones are scaled down to it."""


def canvas_for(width: int, height: int, area: int) -> tuple[int, int]:
    """Canvas (width, height) of about `area` pixels in which a picture of this shape is shown largest.

    There are five shapes from 1:16 to 4:1 (sides multiples of 32), so that pictures of like shape share batches.
    """
    side = int(area**0.5)
    choices = [(side << k, side >> k) for k in range(3)] + [(side >> k, side << k) for k in range(1, 3)]
    return max(choices, key=lambda c: min(c[0] / width, c[1] / height))


def fit(picture: Image.Image, canvas: tuple[int, int]) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The picture scaled into the canvas, centred, the rest filled with its border's mean colour.

    Nothing is enlarged more than ENLARGE times: letters as tall as the canvas are no easier to read.
    Also returns where it lies, as a box 0..1 of the canvas.
    """
    scale = min(canvas[0] / picture.width, canvas[1] / picture.height, ENLARGE)
    width = max(1, min(canvas[0], round(picture.width * scale)))
    height = max(1, min(canvas[1], round(picture.height * scale)))
    small = picture.resize((width, height), Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).mean(0)
    out = Image.new("RGB", canvas, (int(border[0]), int(border[1]), int(border[2])))
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    out.paste(small, (left, top))
    return out, (left / canvas[0], top / canvas[1], (left + width) / canvas[0], (top + height) / canvas[1])


class NanoImageProcessor(BaseImageProcessor):
    """Fits a picture into a canvas of fixed area and near shape."""

    model_input_names = ["pixel_values"]  # noqa: RUF012  (the base class declares an instance variable)

    def __init__(self, canvas_area: int = 65536, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.canvas_area = canvas_area

    def preprocess(self, images: Any, return_tensors: str | None = "pt", **kwargs: Any) -> BatchFeature:
        """`pixel_values` (batch, 3, H, W) floats 0..1. All pictures share the canvas that suits the first."""
        pictures = images if isinstance(images, list) else [images]
        canvas = canvas_for(pictures[0].width, pictures[0].height, self.canvas_area)
        fitted = [fit(picture.convert("RGB"), canvas) for picture in pictures]
        arrays = [np.asarray(p, np.float32).transpose(2, 0, 1) / 255 for p, _ in fitted]
        return BatchFeature({"pixel_values": np.stack(arrays)}, tensor_type=return_tensors)


class NanoProcessor(ProcessorMixin):
    """Image processor and tokenizer together."""

    attributes: ClassVar[list[str]] = ["image_processor", "tokenizer"]
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)  # type: ignore[no-untyped-call]

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Any) -> BatchFeature:
        """Ids of `text` (which holds IMAGE where the picture goes) and pixels of `images`."""
        texts = [text] if isinstance(text, str) else list(text or [])
        data: dict[str, Any] = {}
        if texts:
            data |= dict(self.tokenizer(texts, return_tensors="pt", padding=True, padding_side="left"))
        if images is not None:
            data |= dict(self.image_processor(images))
        return BatchFeature(data)


END = "<|im_end|>"
"""The end of a message."""
IMAGE = "<file_sep>"
"""The token that stands for the picture: one of those that SmolLM2's vocabulary reserves for code."""
WORKING = "<filename>"
"""An answer that begins with this token, another of those, has its first line for working: what is said to oneself."""


def prefix_ids(tokenizer: Any, history: Sequence[Message]) -> list[int]:
    """Ids of the conversation so far, up to where the last user message begins."""
    ids: list[int] = []
    for message in history:
        ids += _marked(tokenizer, f"<|im_start|>{message.role}\n") + plain_ids(tokenizer, message.content)
        ids += _marked(tokenizer, "<|im_end|>\n")
    return ids + _marked(tokenizer, "<|im_start|>user\n")


def invocation_ids(tokenizer: Any, instruction: str, picture: bool) -> list[int]:
    """Ids of the last user message, picture first, and the beginning of the answer."""
    ids = _marked(tokenizer, IMAGE) if picture else []
    return ids + plain_ids(tokenizer, instruction) + _marked(tokenizer, "<|im_end|>\n<|im_start|>assistant\n")


def _marked(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of text from outside: a written-out "<|im_end|>" stays text and ends nothing."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def pixels_of(picture: Image.Image, area: int) -> tuple[Tensor, tuple[float, float, float, float]]:
    """Pixels (1, 3, H, W) of one picture on its canvas, and where it lies there (box 0..1)."""
    fitted, place = fit(picture.convert("RGB"), canvas_for(picture.width, picture.height, area))
    return torch.from_numpy(np.asarray(fitted).transpose(2, 0, 1).astype(np.float32) / 255)[None], place


def detail_of(picture: Image.Image) -> Tensor:
    """Bytes (3, h, w) of the picture itself, scaled down to DETAIL pixels if it has more."""
    scale = (DETAIL / (picture.width * picture.height)) ** 0.5
    shown = picture.convert("RGB")
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(shown).transpose(2, 0, 1).copy())
