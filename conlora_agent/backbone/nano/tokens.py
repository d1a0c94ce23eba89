"""The mid layer's second half: visual tokens that are near-words of the language model.

Each place found (points.py) becomes an *expectation over the language model's own input embeddings* under the dense
heads' probabilities, plus a learned correction. A surely recognised "a" is the embedding of "a"; a doubtful "l" is
part "l", part "I". Boxes are written as the embeddings of their digits. So the frozen language model starts from
tokens that already mean something, and stacks stay small. We chose such spatial tokens over a Q-Former because they
learn from thousands, not millions, of pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.dense import GLYPHS, DenseOutput
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.points import Points
from conlora_agent.core.types import Box

NAME_TOKENS = 2
"""Tokens per object name: its first word piece, and the mean of the others (zero when there are none)."""
SHARPNESS = 3.0
"""Names and colours are mixed under probabilities raised to this power: a flat mixture of words is no word at all."""
BOX_RANGE = 100
"""Boxes are written as integers 0..99, two digits each, x0 y0 x1 y1."""


class Correction(nn.Module):
    """Two-layer map from a feature to an offset in embedding space; starts at zero, so tokens start as near-words."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up_proj = nn.Linear(inputs, inputs)
        self.down_proj = nn.Linear(inputs, outputs)
        nn.init.zeros_(self.down_proj.weight)
        nn.init.zeros_(self.down_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        y: Tensor = self.down_proj(torch.nn.functional.gelu(self.up_proj(x)))
        return y


class PointTokens(nn.Module):
    """Dense outputs in, one variable-length sequence of visual tokens per picture out.

    Sequence: one group per object (colour, name, colon, eight digits, newline), one statement per object (name, "is",
    colour, newline), then the lines of text (a token per character, the embedding of a space between words, a newline
    after each line). The statements are what a language model expects an answer about a colour to repeat.
    """

    glyph_table: Tensor
    colour_table: Tensor
    name_table: Tensor
    digit_table: Tensor
    space: Tensor
    colon: Tensor
    copula: Tensor
    newline: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        size = config.text_config.hidden_size
        self.glyph_correction = Correction(config.stem_size, size)
        self.object_correction = Correction(config.vision_size, size)
        self.register_buffer("glyph_table", torch.zeros(GLYPHS - 1, size))
        self.register_buffer("colour_table", torch.zeros(len(config.colours), size))
        self.register_buffer("name_table", torch.zeros(len(config.names), NAME_TOKENS, size))
        self.register_buffer("digit_table", torch.zeros(10, size))
        self.register_buffer("space", torch.zeros(size))
        self.register_buffer("colon", torch.zeros(size))
        self.register_buffer("copula", torch.zeros(size))
        self.register_buffer("newline", torch.zeros(size))

    @torch.no_grad()
    def take_words(self, config: NanoConfig, tokenizer: Any, embedding: Tensor) -> None:
        """Fill the tables from the language model's input embeddings (vocabulary, hidden)."""

        def pieces(text: str) -> Tensor:
            return embedding[tokenizer.encode(text, add_special_tokens=False)]

        for i in range(GLYPHS - 1):
            self.glyph_table[i] = pieces(chr(33 + i)).mean(0)
        for i, colour in enumerate(config.colours):
            self.colour_table[i] = pieces(" a" if colour == "none" else " " + colour).mean(0)
        for i, name in enumerate(config.names):
            first, *rest = pieces(" " + name)
            self.name_table[i, 0] = first
            self.name_table[i, 1] = torch.stack(rest).mean(0) if rest else 0
        for digit in range(10):
            self.digit_table[digit] = pieces(str(digit)).mean(0)
        self.space.copy_(pieces(" ").mean(0))
        self.colon.copy_(pieces(":").mean(0))
        self.copula.copy_(pieces(" is").mean(0))
        self.newline.copy_(pieces("\n").mean(0))

    def forward(self, out: DenseOutput, points: list[Points], seen: list[Seen]) -> list[Tensor]:
        """Tokens (length, hidden) per picture, from the places found and what was recognised there."""
        return [self.tokens(out, row, *both) for row, both in enumerate(zip(points, seen, strict=True))]

    def tokens(self, out: DenseOutput, row: int, points: Points, seen: Seen) -> Tensor:
        """The sequence of one picture, (length, hidden); never empty: a bare newline says "nothing here"."""
        parts = [*self._object_tokens(out, row, points, seen), *self._text_tokens(out, row, points)]
        return torch.cat(parts) if parts else self.newline[None]

    def _object_tokens(self, out: DenseOutput, row: int, points: Points, seen: Seen) -> list[Tensor]:
        if not points.objects:
            return []
        shade = SHARPNESS * seen.colour.float()
        colour = shade.softmax(-1).to(self.space.dtype) @ self.colour_table
        # Colour 0 is "none": several colours, or none that has a name. A statement still gives the likeliest one.
        stated = shade[:, 1:].softmax(-1).to(self.space.dtype) @ self.colour_table[1:]
        chance = (SHARPNESS * seen.name.float()).softmax(-1).to(self.space.dtype)
        name = torch.einsum("on,nkd->okd", chance, self.name_table)  # (objects, NAME_TOKENS, hidden)
        extra = self.object_correction(out.object_feature[row].flatten(0, 1)[points.objects]).to(name.dtype)
        name = name + extra[:, None]
        pieces = 1 + self.name_table[chance.argmax(-1), 1].any(-1).long()  # of the likeliest name
        groups, statements = [], []
        for i, box in enumerate(points.boxes):
            digits = self.digit_table[[int(d) for value in box for d in f"{quantise(value):02d}"]]
            called = name[i, : pieces[i]]
            groups.append(torch.cat([colour[i : i + 1], called, self.colon[None], digits, self.newline[None]]))
            statements.append(torch.cat([called, self.copula[None], stated[i : i + 1], self.newline[None]]))
        return [*groups, *statements]

    def _text_tokens(self, out: DenseOutput, row: int, points: Points) -> list[Tensor]:
        cells = [cell for line in points.lines for cell in line.cells]
        if not cells:
            return []
        chance = out.glyph[row].flatten(0, 1)[cells][:, 1:].softmax(-1).to(self.space.dtype)
        extra = self.glyph_correction(out.glyph_feature[row].flatten(0, 1)[cells])
        glyphs = chance @ self.glyph_table + extra.to(self.space.dtype)
        parts, at = [], 0
        for line in points.lines:
            for i, space in enumerate(line.space_after):
                parts.append(glyphs[at : at + 1])
                at += 1
                if space and i + 1 < len(line.cells):
                    parts.append(self.space[None])
            parts.append(self.newline[None])
        return parts


def onto(box: Box, place: Box) -> Box:
    """A box of the canvas as a box of the picture that lies at `place` on it."""
    x0, y0, x1, y1 = place
    xs, ys = [(x - x0) / (x1 - x0) for x in box[::2]], [(y - y0) / (y1 - y0) for y in box[1::2]]
    return max(0.0, xs[0]), max(0.0, ys[0]), min(1.0, xs[1]), min(1.0, ys[1])


def quantise(value: float) -> int:
    """A coordinate 0..1 as an integer 0..BOX_RANGE-1."""
    return min(BOX_RANGE - 1, max(0, round(value * (BOX_RANGE - 1))))
