"""Drives a local backbone: resident stacks, one prompt layout, three caches.

* low vision features, per picture: computed once, whatever stack looks at it later;
* key-value prefixes of the conversation, computed with adapters off: they serve every stack and survive every switch;
* visual tokens are not cached, since each stack's upper layers see the picture their own way.

One generation at a time; callers queue. Not covered here: how `nano` is assembled (nano/assemble.py).
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from PIL import Image
from torch import Tensor

from conlora_agent.backbone import selftest
from conlora_agent.backbone.nano.processing import invocation_ids, pixels_of, prefix_ids
from conlora_agent.backbone.nano.tokens import BOX_RANGE
from conlora_agent.core.errors import BackboneError, TextError, UnknownName, WeightsError
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece
from conlora_agent.core.types import Box, Usage

Key = TypeVar("Key")
Value = TypeVar("Value")

PICTURES_KEPT = 32
PREFIXES_KEPT = 8
CHAT_REPETITION_PENALTY = 1.15
"""Applied to plain chat only: a small language model decoding greedily falls into loops; stacks must copy freely."""


class Recent(Generic[Key, Value]):
    """Keeps the `size` most recently used values."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, now the most recent, or None."""
        if key in self.items:
            self.items.move_to_end(key)
        return self.items.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, forgetting the least recently used beyond the size."""
        self.items[key] = value
        self.items.move_to_end(key)
        while len(self.items) > self.size:
            self.items.popitem(last=False)


class LocalBackbone:
    """`nano` in this process, implementing core.protocols.Backbone."""

    box_range = BOX_RANGE

    def __init__(self, name: str, revision: str, model: Any, processor: Any) -> None:
        self.name, self.revision = name, revision
        self.model, self.tokenizer = model.eval(), processor.tokenizer
        self.peft: Any = None
        self._stacks: dict[str, Path] = {}
        self._lock = threading.RLock()
        self._low: Recent[str, tuple[Any, Box]] = Recent(PICTURES_KEPT)
        self._prefixes: Recent[tuple[int, ...], Any] = Recent(PREFIXES_KEPT)

    def problems(self) -> list[str]:
        """What is wrong with the model itself, see core.protocols.SelfTest."""
        with self._lock, torch.inference_mode():
            return list(selftest.problems(self.model, self.tokenizer))

    # -- stacks -------------------------------------------------------------------------------------------------------

    def attach(self, stack: str, folder: Path) -> None:
        """Load the PEFT weights in `folder` under the name `stack`; the same folder twice is one load."""
        from peft import PeftModel

        with self._lock:
            if self._stacks.get(stack) == folder:
                return
            self.detach(stack)
            try:
                if self.peft is None:
                    self.peft = PeftModel.from_pretrained(self.model, folder, adapter_name=stack)
                else:
                    self.peft.load_adapter(folder, adapter_name=stack)
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                line = str(error).splitlines()[0][:200]
                raise WeightsError(f"the stack of {stack!r} does not load ({line})", "train it again") from error
            self.peft.eval().requires_grad_(False)
            self._stacks[stack] = folder

    def detach(self, stack: str) -> None:
        """Forget a stack; unknown names are ignored."""
        with self._lock:
            if self._stacks.pop(stack, None) is None:
                return
            if self._stacks:
                self.peft.delete_adapter(stack)
            else:
                self.model, self.peft = self.peft.unload(), None

    def stacks(self) -> tuple[str, ...]:
        """Names of the attached stacks."""
        return tuple(self._stacks)

    @contextmanager
    def _active(self, stack: str | None) -> Iterator[None]:
        """Within: the stack's LoRAs are on, or all adapters are off."""
        if stack is not None:
            if stack not in self._stacks:
                raise UnknownName.among("attached stack", stack, self._stacks)
            self.peft.set_adapter(stack, inference_mode=True)
            yield
        elif self.peft is not None:
            with self.peft.disable_adapter():
                yield
        else:
            yield

    # -- generation ---------------------------------------------------------------------------------------------------

    def generate(self, request: GenerateRequest) -> Generation:
        """Answer greedily; see core.protocols.Backbone."""
        with self._lock, torch.inference_mode():
            try:
                return self._generate(request)
            except torch.OutOfMemoryError as error:
                raise BackboneError(
                    "the picture and conversation do not fit in memory", "start a new thread"
                ) from error

    def _generate(self, request: GenerateRequest) -> Generation:
        prefix = prefix_ids(self.tokenizer, request.history)
        ids = invocation_ids(self.tokenizer, request.instruction, request.picture is not None)
        limit = self.model.config.text_config.max_position_embeddings
        if len(prefix) + len(ids) + request.max_new_tokens > limit:
            raise TextError(f"the message is too long for {self.name} ({limit} tokens)", "shorten it")
        with self._active(None):
            cache = self._prefix(tuple(prefix))
        with self._active(request.stack):
            embeds = self._embed(ids, request)
            pieces, used = self._decode(embeds, cache, request)
        usage = Usage(prompt_tokens=len(prefix) + embeds.shape[1], completion_tokens=used)
        return Generation("".join(piece.text for piece in pieces).strip(), pieces, usage)

    def _prefix(self, ids: tuple[int, ...]) -> Any:
        """Key-values of the conversation so far, adapters off; extends the longest prefix already known."""
        from transformers import DynamicCache

        known = [k for k in self._prefixes.items if ids[: len(k)] == k]
        longest = max(known, key=len, default=())
        cache = copy.deepcopy(self._prefixes.get(longest)) if longest else DynamicCache(config=self._text_config)
        if len(longest) < len(ids):
            rest = torch.tensor([ids[len(longest) :]], device=self.model.device)
            self.model.language_model(input_ids=rest, past_key_values=cache, use_cache=True, logits_to_keep=1)
            self._prefixes.put(ids, copy.deepcopy(cache))
        return cache

    @property
    def _text_config(self) -> Any:
        return self.model.config.text_config

    def _embed(self, ids: list[int], request: GenerateRequest) -> Tensor:
        input_ids = torch.tensor([ids], device=self.model.device)
        if request.picture is None:
            words: Tensor = self.model.get_input_embeddings()(input_ids)
            return words
        low, place = self._low_features(request.picture, request.picture_key)
        visual, _ = self.model.visual_tokens(low=low, places=[place])
        merged: Tensor = self.model.merge(input_ids, visual)[0]
        return merged

    def _low_features(self, picture: Image.Image, key: str | None) -> tuple[Any, Box]:
        found = self._low.get(key) if key else None
        if found is None:
            pixels, place = pixels_of(picture, self.model.config.canvas_area)
            found = (self.model.vision.low(pixels.to(self.model.device, self.model.dtype)), place)
            if key:
                self._low.put(key, found)
        return found

    def _decode(self, embeds: Tensor, cache: Any, request: GenerateRequest) -> tuple[list[Piece], int]:
        """Greedy decoding from merged embeddings (1, length, hidden) onto a prefix cache."""
        language_model, stop = self.model.language_model, set(self._stop_ids())
        pieces: list[Piece] = []
        made: list[int] = []
        shown = ""
        step = {"inputs_embeds": embeds}
        for _ in range(request.max_new_tokens):
            logits = (
                language_model(**step, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].float()
            )
            chance = logits.softmax(-1)
            if request.stack is None and made:
                seen = torch.tensor(sorted(set(made)))
                logits[seen] -= logits[seen].abs() * (CHAT_REPETITION_PENALTY - 1)
            token = int(logits.argmax())
            if token in stop:
                break
            made.append(token)
            text = self.tokenizer.decode(made, skip_special_tokens=True)
            # A half-finished character is held back until its last byte is there.
            new = "" if text.endswith("\ufffd") else text[len(shown) :]
            shown += new
            pieces.append(Piece(new, float(chance[token])))
            if request.on_token and new:
                request.on_token(new)
            step = {"input_ids": torch.tensor([[token]], device=embeds.device)}
        return pieces, len(made)

    def _stop_ids(self) -> list[int]:
        return [self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids("<|endoftext|>")]
