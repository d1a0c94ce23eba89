"""Decoding held to a JSON schema: with llguidance, as a transformers logits processor.

One `Grammars` serves all answers of a model; each answer has a processor of its own. Not covered here: which schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor

from conlora_agent.core.errors import BackboneError, first_line

SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""As `json.dumps` writes, which is how stacks learn it."""


class Grammars:
    """Processors for one tokenizer. `ends`: tokens that end an answer."""

    def __init__(self, tokenizer: Any, ends: Iterable[int]) -> None:
        self._tokenizer, self._ends = tokenizer, sorted(ends)

    @cached_property
    def _vocabulary(self) -> Any:
        """The tokens as bytes; taking them from the tokenizer needs a second."""
        import llguidance.hf

        try:
            return llguidance.hf.from_tokenizer(self._tokenizer, eos_token=self._ends)
        except ValueError as error:
            problem = f"this model's tokenizer cannot be held to a schema ({first_line(error)})"
            raise BackboneError(problem, "choose a model with a fast tokenizer") from error

    def of(self, schema: Mapping[str, Any]) -> SchemaProcessor:
        """A processor for one answer. Raises BackboneError for a schema that cannot be held to."""
        from llguidance import LLMatcher

        try:
            grammar = LLMatcher.grammar_from_json_schema(json.dumps({**schema, "x-guidance": SPACING}))
        except ValueError as error:
            raise _unfit(first_line(error)) from error
        matcher = LLMatcher(self._vocabulary, grammar)
        if matcher.is_error():
            raise _unfit(first_line(matcher.get_error()))
        return SchemaProcessor(matcher)


class SchemaProcessor(LogitsProcessor):
    """Leaves a model no token that would break the schema; after the last, only the end."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._read = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """`input_ids` (1, length): the answer so far, without the prompt. `scores`: (1, vocabulary)."""
        for token in input_ids[0, self._read :].tolist():
            self.take(token)
        allowed = self.allowed()
        mask = torch.zeros(scores.shape[-1], dtype=torch.bool)
        size = min(len(allowed), len(mask))
        mask[:size] = torch.from_numpy(allowed[:size])
        return scores.masked_fill(~mask.to(scores.device), float("-inf"))

    def take(self, token: int) -> None:
        """The answer goes on with `token`."""
        self._matcher.consume_token(token)
        self._read += 1

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens (vocabulary,) may come next; one alone where the schema leaves no choice."""
        result: NDArray[np.bool_] = np.frombuffer(self._matcher.compute_logit_bias(), np.uint8) > 0
        return result


def _unfit(why: str) -> BackboneError:
    return BackboneError(f"nothing can be written after this schema ({why})", "simplify the tool's arguments")
