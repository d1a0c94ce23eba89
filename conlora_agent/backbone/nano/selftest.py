"""What can be wrong with a loaded `nano`: special tokens that are none, weights that are no numbers.

Not covered here: damaged files (assemble.py compares checksums) and stacks (probe.py asks each one).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conlora_agent.backbone.nano.processing import IMAGE

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", IMAGE)
"""What the prompt layout is built from: each must be one token of the vocabulary."""
REMEDY = "remove the cached model and run: conlora models assemble"


def problems(model: Any, tokenizer: Any) -> Iterator[str]:
    """One line for each thing that is wrong."""
    for token in SPECIAL_TOKENS:
        if len(tokenizer.encode(token, add_special_tokens=False)) != 1:
            yield f"the tokenizer lacks the special token {token}; {REMEDY}"
    if tokenizer.convert_tokens_to_ids(IMAGE) != model.config.image_token_id:
        yield f"the tokenizer numbers {IMAGE} otherwise than the model; {REMEDY}"
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        yield f"the tokenizer has {len(tokenizer)} tokens, the model {rows}; {REMEDY}"
    for name, weight in model.named_parameters():
        # NaN and infinity both survive a sum, which is much quicker than looking at every number.
        if not weight.sum().isfinite():
            yield f"the weights {name} hold values that are no numbers; {REMEDY}"
            return
