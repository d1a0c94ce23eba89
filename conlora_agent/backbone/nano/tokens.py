"""The mid layer's second half: visual tokens that are words, or nearly, of the language model.

Lines of text become the very tokens of their words. Each object found becomes an *expectation over the language
model's own input embeddings* under the probabilities of its names and colours, plus a learned correction; where its
name is in doubt, the likeliest are told one after the other, "cat or dog", as they are. Boxes are written as the
embeddings of their digits. So the frozen language model starts from tokens that already mean something, and stacks stay
small. We chose such spatial tokens over a Q-Former because they learn from thousands, not millions, of pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.dense import DenseOutput
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.photographs import vocabulary
from conlora_agent.backbone.nano.points import Points
from conlora_agent.backbone.nano.processing import END
from conlora_agent.backbone.nano.reader import Writing
from conlora_agent.backbone.nano.vision import Sight
from conlora_agent.wording import in_words, size_told, told_chart, whereabouts

NAME_TOKENS = 4
"""Tokens per object name at most: its word pieces, or zeros; the last is the mean of what is left."""
SHARPNESS = 3.0
"""Names and colours are mixed under probabilities raised to this power: a flat mixture of words is no word at all."""
SURE = 0.85
"""From this confidence on a line is said to stand on a thing; foliage and windows read as letters, but not surely."""
DOUBT, RUNNERS_UP, LEAST = 0.55, 3, 0.02
"""A name whose chance is less than DOUBT above the next one's is followed by so many others at most, each with a chance
from LEAST on."""
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

    Sequence: one group per object (colour, name, colon, eight digits, newline); statements on each object, a line each
    (name, "is", colour; name, where on the picture; name, size, where there are several; name, "says", what is written
    on it), and on how many there are of each name (number, name) and in all; what a chart shows, where the picture is
    one; all lines of text, newlines between them and the end of a message behind the last. The statements are what a
    language model this small cannot work out and can repeat; whoever copies the lines of text comes to the end with
    them.

    A doubtful name is followed by what else it may be ("cup or mug"): who asks for the mug is then shown the cup.
    """

    colour_table: Tensor
    name_table: Tensor
    digit_table: Tensor
    colon: Tensor
    copula: Tensor
    says: Tensor
    otherwise: Tensor
    newline: Tensor
    ending: Tensor

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        size = config.text_config.hidden_size
        self.object_correction = Correction(config.vision_size, size)
        self.register_buffer("colour_table", torch.zeros(len(config.colours), size))
        self.register_buffer("name_table", torch.zeros(len(vocabulary(config.names)), NAME_TOKENS, size))
        self.register_buffer("digit_table", torch.zeros(10, size))
        self.register_buffer("colon", torch.zeros(size))
        self.register_buffer("copula", torch.zeros(size))
        self.register_buffer("says", torch.zeros(size))
        self.register_buffer("otherwise", torch.zeros(size))
        self.register_buffer("newline", torch.zeros(size))
        self.register_buffer("ending", torch.zeros(size))

    @torch.no_grad()
    def take_words(self, config: NanoConfig, tokenizer: Any, embedding: Tensor) -> None:
        """Fill the tables from the language model's input embeddings (vocabulary, hidden)."""

        def pieces(text: str) -> Tensor:
            return embedding[tokenizer.encode(text, add_special_tokens=False)]

        for i, colour in enumerate(config.colours):
            self.colour_table[i] = pieces(" a" if colour == "none" else " " + colour).mean(0)
        for i, name in enumerate(vocabulary(config.names)):
            own = pieces(" " + name)
            if len(own) > NAME_TOKENS:
                own = torch.cat([own[: NAME_TOKENS - 1], own[NAME_TOKENS - 1 :].mean(0, keepdim=True)])
            self.name_table[i, : len(own)] = own
        for digit in range(10):
            self.digit_table[digit] = pieces(str(digit)).mean(0)
        self.colon.copy_(pieces(":").mean(0))
        self.copula.copy_(pieces(" is").mean(0))
        self.says.copy_(pieces(" says").mean(0))
        self.otherwise.copy_(pieces(" or").mean(0))
        self.newline.copy_(pieces("\n").mean(0))
        self.ending.copy_(pieces(END).mean(0))

    def forward(self, sight: Sight, points: list[Points], words: Callable[[str], Tensor]) -> list[Tensor]:
        """Tokens (length, hidden) per picture, never empty: a bare newline says "nothing here".

        `points` may give the boxes in another frame than `sight` has them in; `words` gives the embeddings of a text.
        """
        out = []
        for row, places in enumerate(points):
            lines = [self._line(line, words) for line in sight.written[row]]
            height, width = sight.size
            sure = [one.confidence >= SURE for one in sight.written[row]]
            on = [[lines[k] for k in some if sure[k]] for some in sight.points[row].lines_on(width, height)]
            parts = self._object_tokens(sight.dense, row, places, sight.seen[row], on, words)
            chart = sight.charts[row]
            parts += [] if chart is None else [words(told_chart(chart)).to(self.newline.dtype)]
            parts += filter(len, lines)
            if any(map(len, lines)):
                parts[-1] = torch.cat([parts[-1][:-1], self.ending[None]])
            out.append(torch.cat(parts) if parts else self.newline[None])
        return out

    def _object_tokens(
        self,
        out: DenseOutput,
        row: int,
        points: Points,
        seen: Seen,
        written: list[list[Tensor]],
        words: Callable[[str], Tensor],
    ) -> list[Tensor]:
        if not points.objects:
            return []
        shade = SHARPNESS * seen.colour.float()
        colour = shade.softmax(-1).to(self.newline.dtype) @ self.colour_table
        # Colour 0 is "none": several colours, or none that has a name. A statement still gives the likeliest one.
        stated = shade[:, 1:].softmax(-1).to(self.newline.dtype) @ self.colour_table[1:]
        extra = self.object_correction(out.object_feature[row].flatten(0, 1)[points.objects])
        names = self._names(seen.name.float(), extra.to(colour.dtype))
        newline, groups, statements = self.newline[None], [], []
        for i, (called, box) in enumerate(zip(names, points.boxes, strict=True)):
            digits = self.digit_table[[int(d) for value in box for d in f"{quantise(value):02d}"]]
            groups.append(torch.cat([colour[i : i + 1], called, self.colon[None], digits, newline]))
            statements.append(torch.cat([called, self.copula[None], stated[i : i + 1], newline]))
            statements.append(torch.cat([called, words(f" {whereabouts(box)}").to(called.dtype), newline]))
            if len(names) > 1:
                statements.append(torch.cat([called, words(f" {size_told(box)}").to(called.dtype), newline]))
            statements += [torch.cat([called, self.says[None], line]) for line in written[i] if len(line)]
        labels = seen.name.argmax(-1).tolist()
        for label, number in Counter(labels).items():
            count = words(f" {in_words(number)}").to(colour.dtype)
            statements.append(torch.cat([count, names[labels.index(label)], newline]))
        statements.append(torch.cat([words(in_all(len(labels))).to(colour.dtype), newline]))
        return [*groups, *statements]

    def _names(self, logits: Tensor, extra: Tensor) -> list[Tensor]:
        """Per object its name, the expectation under `logits` (objects, names) with `extra` (objects, hidden) added,
        or, where that is in doubt, the likeliest names as told scenes have them; (tokens, hidden) each."""
        chance = (SHARPNESS * logits).softmax(-1).to(extra.dtype)
        mixed = torch.einsum("on,nkd->okd", chance, self.name_table) + extra[:, None]
        pieces = self.name_table.any(-1).sum(-1).tolist()
        found = []
        for i, (label, *also) in enumerate(names_told(logits)):
            first = (self.name_table[label] if also else mixed[i])[: pieces[label]]
            added = [part for k in also for part in (self.otherwise[None], self.name_table[k, : pieces[k]])]
            found.append(torch.cat([first, *added]))
        return found

    def _line(self, written: Writing, words: Callable[[str], Tensor]) -> Tensor:
        """Tokens of a line and its end; none where nothing can be read."""
        if not written.legible:
            return self.newline[:0].reshape(0, len(self.newline))
        return torch.cat([words(written.text).to(self.newline.dtype), self.newline[None]])


def names_told(logits: Tensor) -> list[list[int]]:
    """Per object of `logits` (objects, names) the likeliest name and, where it is in doubt, what else it may be."""
    likely, ranked = logits.softmax(-1).topk(min(1 + RUNNERS_UP, logits.shape[-1]))
    told = []
    for shares, (label, *others) in zip(likely.tolist(), ranked.tolist(), strict=True):
        doubtful = shares[0] - max(shares[1:], default=0.0) < DOUBT
        also = [k for k, share in zip(others, shares[1:], strict=True) if doubtful and share >= LEAST]
        told.append([label, *also])
    return told


def quantise(value: float) -> int:
    """A coordinate 0..1 as an integer 0..BOX_RANGE-1."""
    return min(BOX_RANGE - 1, max(0, round(value * (BOX_RANGE - 1))))


def in_all(number: int) -> str:
    """States how many things there are, of whatever name."""
    return f" {in_words(number)} in all"
