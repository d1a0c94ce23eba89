"""Requests as their readers expect them: one space between words, plain apostrophes, chat spellings written out.

Not covered here: misspelled words; the router bears them, and names are not to be touched.
"""

from __future__ import annotations

import re

_WRITTEN_OUT = {
    r"(what|how|where|who|when)s": r"\1's",
    r"wh?ats": "what's",
    r"tmrw|tmr|tmw|tomm?orr?ow": "tomorrow",
    r"(?-i:rn)": "right now",
    r"pl[sz]+": "please",
    r"thx": "thanks",
}
_RULES = [(re.compile(rf"\b(?:{short})\b(?!')", re.IGNORECASE), full) for short, full in _WRITTEN_OUT.items()]


def tidy(request: str, limit: int) -> str:
    """The first `limit` characters of a request, tidied."""
    text = re.sub(r"\s+", " ", request[:limit].replace("’", "'")).strip()
    for short, full in _RULES:
        text = short.sub(full, text)
    return text
