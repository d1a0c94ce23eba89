"""Checks what came in before anything heavy is loaded.

Not covered here: pictures, which conlora_agent.memory.decoding checks.
"""

from __future__ import annotations

import unicodedata

from conlora_agent.core.errors import TextError

_LAYOUT = "\n\t"
_JOINERS = "\u200c\u200d"  # shape words and emoji in many scripts


def clean_text(text: str, *, max_chars: int) -> str:
    """The text without control characters, line ends unified, stripped; may be empty. Any script is welcome.

    Raises TextError when it is longer than `max_chars`, or when nothing but control characters was given.
    """
    if len(text) > max_chars:
        raise TextError(f"the message has {len(text)} characters, at most {max_chars} are allowed", "shorten it")
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    cleaned = "".join(char for char in unified if char in _LAYOUT or _printable(char)).strip()
    if text.strip() and not any(char not in _JOINERS for char in cleaned):
        raise TextError("the message holds only control characters", "write it in words")
    return cleaned


def _printable(char: str) -> bool:
    """Neither a control character, nor half a surrogate pair, nor a mark that turns the direction of other text."""
    category = unicodedata.category(char)
    return char in _JOINERS or category not in ("Cc", "Cs", "Cf", "Cn")
