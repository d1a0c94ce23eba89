"""How a conversation becomes tokens, by a family's chat template or, where it has none, by its own plain form.

The template is rendered around a hole, so that the conversation before it and the instruction in it are encoded apart:
the first serves every stack. Not covered here: what becomes of the tokens (hub.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from conlora_agent.backbone.families import Family
from conlora_agent.core.types import Message

HOLE = "\u2063HOLE\u2063"
"""Stands for the last message while the chat template is rendered."""


class ChatFormat:
    """The prompt of a family. `template` is its chat template, None where the family has none."""

    def __init__(self, family: Family, tokenizer: Any, template: str | None, image_id: int) -> None:
        self._family, self._tokenizer, self._image_id = family, tokenizer, image_id
        self._template = None if family.plain else template

    def prefix(self, history: Sequence[Message]) -> list[int]:
        """Ids of the conversation, up to where the picture stands; none in a family without a template."""
        return self.encode(self._sides(history)[0])

    def invocation(self, instruction: str, picture: int | None) -> list[int]:
        """Ids of the last message, whose picture takes so many tokens, and of the beginning of the answer."""
        if self._template is None:
            return self._plain_invocation(instruction, picture or 0)
        _, begin, end = self._sides(())
        return self._shown(picture) + self.encode(begin + self.plain(instruction) + end)

    def answer(self, text: str) -> list[int]:
        """Ids of an answer as the model should write it, its end included."""
        return [*self._encode_plain(text), self.end]

    @property
    def end(self) -> int:
        """The token that ends an answer: what the template writes behind one, else the tokenizer's own."""
        own = int(self._tokenizer.eos_token_id)
        if self._template is None:
            return own
        said = [_said("user", "?"), _said("assistant", HOLE)]
        behind = self.encode(self._render(said, answering=False).rpartition(HOLE)[2])
        return next((i for i in behind if i in self._tokenizer.all_special_ids), own)

    def encode(self, text: str) -> list[int]:
        """Ids of text in which special tokens count as such."""
        return list(self._tokenizer.encode(text, add_special_tokens=False)) if text else []

    def plain(self, text: str) -> str:
        """Text from outside: a written-out special token stays text and ends nothing."""
        for token in self._tokenizer.get_added_vocab():
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}")
        return text

    def _encode_plain(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _shown(self, picture: int | None) -> list[int]:
        if picture is None:
            return []
        before, after = self._family.around
        return [*self.encode(before), *[self._image_id] * picture, *self.encode(after)]

    def _plain_invocation(self, instruction: str, picture: int) -> list[int]:
        """Picture, then the family's own form of a request."""
        start = [] if self._tokenizer.bos_token_id is None else [self._tokenizer.bos_token_id]
        asked = self._family.plain.format(instruction=self.plain(instruction))
        return [self._image_id] * picture + start + self.encode(asked)

    def _sides(self, history: Iterable[Message]) -> tuple[str, str, str]:
        """The prompt as text: up to the picture, from there to the last message, and from its end on."""
        if self._template is None:
            return "", "", ""
        said = [_said(message.role, self.plain(message.content)) for message in history]
        try:
            with_picture, text = (self._render([*said, _said("user", HOLE, picture)]) for picture in (True, False))
        except TemplateError:  # some templates know no system message
            said = [message for message in said if message["role"] != "system"]
            with_picture, text = (self._render([*said, _said("user", HOLE, picture)]) for picture in (True, False))
        prefix = _common(with_picture, text)
        begin, end = text[len(prefix) :].split(HOLE)
        return prefix, begin, end

    def _render(self, messages: list[dict[str, Any]], *, answering: bool = True) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages, chat_template=self._template, add_generation_prompt=answering, tokenize=False
        )
        return text


def _said(role: str, text: str, picture: bool = False) -> dict[str, Any]:
    shown = [{"type": "image"}] if picture else []
    return {"role": role, "content": [*shown, {"type": "text", "text": text}]}


def _common(a: str, b: str) -> str:
    """The common beginning of two texts."""
    return a[: next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))]
