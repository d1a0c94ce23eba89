"""How wrong a stack is about answers: teacher forcing behind a shared history, in the layout that is used later.

The text-only history is computed with adapters off; picture and instruction come behind it, with the stack on. Not
covered here: where batches come from and what is done with the loss (stacks.py, learner.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.processing import END, WORKING, plain_ids
from conlora_agent.backbone.nano.vision import Closeup

HOPELESS = 1.5
"""Mean loss per token, in nats, beyond which a text to be read counts as illegible."""
ROWS_TOGETHER = 16
"""Rows of a batch that the language model sees together, sorted by length so that little of them is padding."""


@dataclass
class TeacherBatch:
    """Pictures of one canvas with tokenised instructions and answers, behind one shared history."""

    pixels: Tensor | None
    """(batch, 3, H, W) uint8; None where the task sees no picture"""
    history: list[int]
    prompts: list[list[int]]
    answers: list[list[int]]
    closeups: list[Closeup] | None = None
    """The pictures themselves, which may be larger; what is on the canvas by default."""
    shown: list[int] | None = None
    """Which picture each row is about; by default each has its own."""
    told: list[str] | None = None
    """In place of pictures: what the mid layer says of each, in words."""
    teachable: bool = False
    """Whether to leave out rows that the model is lost on, because the picture does not show them clearly enough."""


def answer_ids(tokenizer: Any, text: str, working: str = "") -> list[int]:
    """Ids the model should produce, the end mark included; `working`, a line, comes before the answer and is marked."""
    before = [tokenizer.convert_tokens_to_ids(WORKING), *plain_ids(tokenizer, f"{working}\n")] if working else []
    return [*before, *plain_ids(tokenizer, text), tokenizer.convert_tokens_to_ids(END)]


def answer_loss(model: Any, batch: TeacherBatch, device: str, *, vision: bool = True) -> Tensor:
    """Mean cross-entropy of the answers' tokens. `model` is the PeftModel with the stack active.

    History and pictures go through the language model once, however many rows are about them. Without `vision` no
    gradient reaches the vision and mid layers.
    """
    nano = model.base_model.model
    context, prompts, shown = _history(model, nano, batch.history, device), batch.prompts, [0] * len(batch.prompts)
    if batch.pixels is not None or batch.told:
        shown = batch.shown or list(range(len(prompts)))
        tokens = _seen(nano, batch, device, vision)
        _, context = context.chosen([0] * len(tokens)).read(nano, tokens)
        prompts = [prompt[1:] for prompt in prompts]  # the picture's own token has been replaced
    embed = nano.get_input_embeddings()
    rows, targets = [], []
    for prompt, answer in zip(prompts, batch.answers, strict=True):
        rows.append(embed(torch.tensor(prompt + answer[:-1], device=device)))
        targets.append(torch.tensor([-100] * (len(rows[-1]) - len(answer)) + answer, device=device))
    total = torch.zeros((), device=device)
    order = sorted(range(len(rows)), key=lambda k: len(rows[k]))
    for start in range(0, len(order), ROWS_TOGETHER):
        some = order[start : start + ROWS_TOGETHER]
        hidden, _ = context.chosen([shown[k] for k in some]).read(nano, [rows[k] for k in some])
        total = total + _summed_loss(nano, hidden, [targets[k] for k in some], batch.teachable)
    return total / sum(map(len, batch.answers))


@dataclass
class Context:
    """Key-values that several rows go on from, behind which rows may be padded: `mask` (rows, length) tells."""

    cache: Any
    mask: Tensor

    def chosen(self, rows: list[int]) -> Context:
        """These rows of it, some perhaps several times; reading on leaves this one as it is."""
        from transformers import DynamicCache

        layers = [(layer.keys[rows], layer.values[rows]) for layer in self.cache.layers]
        return Context(DynamicCache(layers), self.mask[rows])

    def read(self, nano: Any, rows: list[Tensor]) -> tuple[Tensor, Context]:
        """Hidden states (rows, longest, hidden) of embeddings that go on here, and what has been read with them."""
        longest = max(map(len, rows))
        embeds = torch.stack([F.pad(row, (0, 0, 0, longest - len(row))) for row in rows])
        steps = torch.arange(longest, device=embeds.device)
        there = steps < torch.tensor([len(row) for row in rows], device=embeds.device)[:, None]
        mask = torch.cat([self.mask, there.long()], 1)
        out = nano.language_model.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=self.mask.sum(1, keepdim=True) + steps,
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.last_hidden_state, Context(out.past_key_values, mask)


def _seen(nano: Any, batch: TeacherBatch, device: str, vision: bool) -> list[Tensor]:
    """Visual tokens of each picture."""
    if batch.told:
        # Lines of text are last, and the end of a message stands behind them.
        end = nano.mid.ending[None]
        return [torch.cat([nano.words(text), end[: not text.endswith("\n")]]) for text in batch.told]
    assert batch.pixels is not None
    with torch.no_grad():
        low = nano.vision.low(batch.pixels.to(device).to(nano.dtype) / 255)
    with torch.set_grad_enabled(vision):
        tokens: list[Tensor] = nano.visual_tokens(low=low, closeups=batch.closeups)[0]
    return [some.to(nano.dtype) for some in tokens]


def _history(model: Any, nano: Any, ids: list[int], device: str) -> Context:
    """Key-values of a history, computed once and with adapters off."""
    from transformers import DynamicCache

    cache = DynamicCache(config=nano.config.text_config)
    with torch.no_grad(), model.disable_adapter():
        nano.language_model.model(input_ids=torch.tensor([ids], device=device), past_key_values=cache, use_cache=True)
    return Context(cache, torch.ones(1, len(ids), dtype=torch.long, device=device))


def _summed_loss(nano: Any, hidden: Tensor, targets: list[Tensor], teachable: bool) -> Tensor:
    """Cross-entropy summed over the answers' tokens of rows of like length."""
    longest = hidden.shape[1]
    target = torch.stack([F.pad(t, (0, longest - len(t)), value=-100) for t in targets])
    # Only answer positions go through the 49k-word head, a fifth of the cost otherwise.
    logits = nano.language_model.lm_head(hidden[target != -100]).float()
    loss = F.cross_entropy(logits, target[target != -100], reduction="none")
    if not teachable:
        return loss.sum()
    # What the vision layers cannot make out teaches nothing but guessing.
    rows_of = torch.nonzero(target != -100)[:, 0]
    mean = torch.zeros(len(targets), device=loss.device).index_reduce(
        0, rows_of, loss.detach(), "mean", include_self=False
    )
    return (loss * (mean < HOPELESS)[rows_of]).sum()
