"""What can be wrong with a loaded `nano`: special tokens that are none, weights that are no numbers.

Not covered here: damaged files (assemble.py compares checksums) and stacks (probe.py asks each one).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from conlora_agent.backbone.nano.processing import IMAGE
from conlora_agent.backbone.selftest import lacking_tokens, no_numbers, too_few_rows

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", IMAGE)
"""What the prompt layout is built from: each must be one token of the vocabulary."""
REMEDY = "remove the cached model and run: conlora models assemble"


def problems(model: Any, tokenizer: Any) -> Iterator[str]:
    """One line for each thing that is wrong."""
    for problem in lacking_tokens(tokenizer, SPECIAL_TOKENS):
        yield f"{problem}; {REMEDY}"
    if tokenizer.convert_tokens_to_ids(IMAGE) != model.config.image_token_id:
        yield f"the tokenizer numbers {IMAGE} otherwise than the model; {REMEDY}"
    for problem in chain(too_few_rows(model, tokenizer), no_numbers(model)):
        yield f"{problem}; {REMEDY}"
