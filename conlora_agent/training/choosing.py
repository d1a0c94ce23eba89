"""How wrong a stack is about choices: cross-entropy among the tokens that the schema leaves, as the router scores them.

All messages of a batch stand behind one list of routes, read once with adapters off. Its keys and values are shared by
the rows instead of copied for each, and the answers never meet the vocabulary's 49 thousand words: a message costs a
third of what teacher forcing on free answers does (answers.py). Not covered here: which messages (routing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.recent import MIB, Recent

Prefix = list[tuple[Tensor, Tensor]]
"""Keys and values (heads, length, size) of every layer."""
SHARED_PREFIX = "shared_prefix"
"""Name of `attend` among the attentions of transformers."""


@dataclass
class ChoiceBatch:
    """Tokenised questions and answers behind one shared history."""

    history: list[int]
    prompts: list[list[int]]
    answers: list[list[int]]
    allowed: list[list[list[int]]]
    """What the schema leaves at each token of each answer, that token first."""


class ChoiceLoss:
    """Mean cross-entropy of the answers. Keeps the keys and values of the lists of routes that come back."""

    def __init__(self, kept_mib: int = 64) -> None:
        self._prefixes: Recent[tuple[int, ...], Prefix] = Recent(kept_mib * MIB)

    def __call__(self, model: Any, batch: ChoiceBatch, device: str) -> Tensor:
        """`model` is the PeftModel with the stack active."""
        logits = choice_logits(model, batch, self._prefix(model, batch.history, device), device)
        first = torch.zeros(len(logits), dtype=torch.long, device=device)
        return F.cross_entropy(logits, first, reduction="sum") / len(batch.prompts)

    def _prefix(self, model: Any, history: Sequence[int], device: str) -> Prefix:
        prefix = self._prefixes.get(tuple(history))
        if prefix is None:
            prefix = read_prefix(model, history, device)
            self._prefixes.put(tuple(history), prefix)
        return prefix


def choice_logits(model: Any, batch: ChoiceBatch, prefix: Prefix, device: str) -> Tensor:
    """Logits (choices, most tokens left) of every choice in every answer, the right token first, padded with -inf."""
    language = model.base_model.model.language_model
    at, left, rows = [], [], []
    for number, (prompt, answer, allowed) in enumerate(zip(batch.prompts, batch.answers, batch.allowed, strict=True)):
        choices = [place for place, tokens in enumerate(allowed) if len(tokens) > 1]
        at += [(number, len(prompt) - 1 + place) for place in choices]
        left += [torch.tensor(allowed[place], device=device) for place in choices]
        rows.append(prompt + answer[: max(choices)])
    hidden = read_rows(language, rows, prefix, device)
    where = torch.tensor(at, device=device)
    known, index = torch.unique(torch.cat(left), return_inverse=True)
    scores = (hidden[where[:, 0], where[:, 1]] @ language.lm_head.weight[known].T).float()
    sizes = [len(tokens) for tokens in left]
    chosen = torch.nn.utils.rnn.pad_sequence(list(index.split(sizes)), batch_first=True, padding_value=0)
    there = torch.arange(chosen.shape[1], device=device) < torch.tensor(sizes, device=device)[:, None]
    logits: Tensor = scores.gather(1, chosen).masked_fill(~there, float("-inf"))
    return logits


def read_prefix(model: Any, ids: Sequence[int], device: str) -> Prefix:
    """What is kept of a history, adapters off."""
    from transformers import DynamicCache

    language = model.base_model.model.language_model
    cache: Any = DynamicCache(config=language.config)
    with torch.no_grad(), model.disable_adapter():
        language.model(input_ids=torch.tensor([list(ids)], device=device), past_key_values=cache, use_cache=True)
    return [(layer.keys[0], layer.values[0]) for layer in cache.layers]


def read_rows(language: Any, rows: Sequence[Sequence[int]], prefix: Prefix, device: str) -> Tensor:
    """Hidden states (rows, longest, hidden) of rows that go on from one prefix; nothing looks at what pads them."""
    from transformers import AttentionInterface

    AttentionInterface.register(SHARED_PREFIX, attend)
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
    later = torch.full((longest, longest), float("-inf"), device=device, dtype=language.dtype).triu(1)
    before = prefix[0][0].shape[1]
    usual = language.model.config._attn_implementation
    language.model.config._attn_implementation = SHARED_PREFIX
    try:
        out = language.model(
            input_ids=ids,
            attention_mask=later[None, None],
            position_ids=torch.arange(before, before + longest, device=device)[None],
            use_cache=False,
            prefix=prefix,
        )
    finally:
        language.model.config._attn_implementation = usual
    hidden: Tensor = out.last_hidden_state
    return hidden


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    *,
    scaling: float,
    prefix: Prefix,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of `query` (rows, heads, length, size) to a prefix that all rows share, and to their own tokens."""
    keys, values = prefix[module.layer_idx]
    rows, heads, length, size = query.shape
    groups = len(keys)
    # (groups, rows, heads of a group, length, size): all rows look at the prefix in one product.
    q = (query * scaling).view(rows, groups, heads // groups, length, size).transpose(0, 1)
    far = q.reshape(groups, -1, size) @ keys.transpose(1, 2)
    near = q @ key.transpose(0, 1)[:, :, None].transpose(3, 4) + attention_mask
    scores = torch.cat([far.view(*near.shape[:-1], -1), near], -1).softmax(-1)
    split = keys.shape[1]
    out = (scores[..., :split].reshape(groups, -1, split) @ values).view(q.shape)
    out = out + scores[..., split:] @ value.transpose(0, 1)[:, :, None]
    # (rows, length, heads, size)
    return out.permute(1, 3, 0, 2, 4).reshape(rows, length, heads, size), None
