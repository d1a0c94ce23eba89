"""What can be wrong with any loaded model: tokens that its tokenizer lacks, weights that are no numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def lacking_tokens(tokenizer: Any, texts: tuple[str, ...]) -> Iterator[str]:
    """One line for every special token in `texts` that the tokenizer takes apart."""
    for token in (token for text in texts for token in re.findall(r"<[^<>]+>", text)):
        if len(tokenizer.encode(token, add_special_tokens=False)) != 1:
            yield f"the tokenizer lacks the special token {token}"


def too_few_rows(model: Any, tokenizer: Any) -> Iterator[str]:
    """One line when the tokenizer knows tokens that the model has no embedding for."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        yield f"the tokenizer has {len(tokenizer)} tokens, the model {rows}"


def no_numbers(model: Any) -> Iterator[str]:
    """One line for the first weights that hold NaN or infinity."""
    for name, weight in model.named_parameters():
        # Both survive a sum, which is much quicker than looking at every number.
        if weight.is_floating_point() and not weight.sum().isfinite():
            yield f"the weights {name} hold values that are no numbers"
            return
