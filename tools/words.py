"""Which word a question is about, and what it asks: "another word for tired" -> "tired", synonyms.

A table of question shapes, each leaving its word. Not covered here: what "that word" stands for (`dictionary.py`).
"""

from __future__ import annotations

import re
from typing import Literal

from tools.spelling import tidy

Ask = Literal["meaning", "synonyms", "antonyms", "pronunciation", "example", "part of speech", "origin"]

MAX_REQUEST = 500
_KIND = r"(?:word|term|verb|noun|adjective|adverb|expression|phrase|idiom|plural noun|slang|name)"
_POLITE = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|so|please|and|also|now|well|in a dictionary|in the dictionary|then|but"
    r"|thanks)\b[,!.:\s]*"
    r"|(?:can|could|would|will) you (?:please )?|do you know |i (?:want|need|would like) to know |i'd like to know "
    r"|(?:tell|give|show|find)(?: me)? (?=(?:what|how|the|a|an|another|some|me)\b)|explain (?=what)|find (?=the)"
    r")",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[\s,]*\b(?:please|for me|exactly|actually|really|then|too|again|in (?:plain |simple )?english|in (?:a|the)"
    r" dictionary"
    r"|in simple words|as a word|thanks|thank you|defined as|by the way|(?:in|from) wiktionary)|[?!.,;:]+)+$",
    re.IGNORECASE,
)
_ASK_WORDS: dict[Ask, str] = {
    "synonyms": r"\bsynonyms?\b|\b(?:another|other|different|better) words?\b|\bmeans? the same\b"
    r"|\bsimilar (?:words?|in meaning|to)\b|\bwords? like\b",
    "antonyms": r"\bantonyms?\b|\bopposites?\b",
    "pronunciation": r"\bpronounc\w*\b|\bpronunciation\b|\bphonetic\w*\b|\bhow do you say\b",
    "example": r"\bin a sentence\b|\bexamples?\b|\bexample sentence\b",
    "part of speech": r"\bpart of speech\b|\ban? (?:noun|verb|adjective|adverb|pronoun|preposition|conjunction)\b"
    r"(?! (?:mean|to))|\bword class\b|\b(?:kind|type|sort) of word\b",
    "origin": r"\betymology\b|\borigins?\b|\bcomes? from\b|\bword history\b|\boriginates?\b|\bderived? from\b",
}
_ABOUT = (
    r"(?:meaning|definition|pronunciation|etymology|origin|synonym|antonym|opposite|example(?: sentence)?|spelling"
    r"|part of speech)"
)
"""What a dictionary says of a word."""
_SHAPES = [
    re.compile(f"^{pattern}$", re.IGNORECASE)
    for pattern in [
        r".*, what does (?P<word>(?!it |that |this )[^,]+) mean",
        rf".*\b{_KIND} (?P<word>[\w'-]+), what (?:does it mean|is it|is that)",
        r"(?:what|which)? ?(?:part of speech|(?:kind|type|sort) of (?:a )?word|word class) (?:is|are) (?P<word>.+)",
        r"(?:give(?: me)?|show(?: me)?|make)? ?(?:an? )?(?:example )?(?:sentence|example) (?:with|of|for|using)"
        r" (?P<word>.+)",
        r"(?:what )?(?:does|do|did) (?:it mean )?(?:to )?(?P<word>.+?) (?:mean|stand for)",
        r"what does it mean (?:to|when (?:someone|something) is) (?P<word>.+)",
        r"what (?:it means to )?(?P<word>.+?) means?",
        r"what(?:'s| is| are)? meant by (?P<word>.+)",
        rf"(?:the )?(?:\w+ )?(?:{_ABOUT}|entry)s?"
        r"(?: in the dictionary)?(?: of| for|:)? (?P<word>.+)",
        r"(?:what(?:'s| is| are)|find|look up|give(?: me)?|list)? ?(?:the |a |an |some )?(?:dictionary |word |exact )?"
        rf"(?:{_ABOUT}|entry|dictionary entry|dictionary definition)s? (?:of|for|to) (?P<word>.+)",
        r"(?:what(?:'s| is| are)|is there|give(?: me)?|find|tell me|i need)? ?(?:the |a |an |some )?(?:another|other"
        r"|different|better|similar)"
        r" words? (?:for|to|instead of) (?P<word>.+)",
        r"(?:.* )?words? (?:that )?(?:(?:mean(?:s|ing)?|with) the same (?:as|meaning as)|like|(?:are )?similar to)"
        r" (?P<word>.+)",
        r"(?:how (?:do|would|should|can) (?:you|i|we) (?:say|pronounce|define|spell|use)|pronounce|define|definition"
        r"|dictionary|"
        r"meaning|word meaning|explain|look up|look|use|give(?: me)?)[:,]? (?P<word>.+?)(?: up| in a sentence)?",
        r"how (?:is|are) (?P<word>.+?) (?:pronounced|defined|used|spelled)",
        r"is (?P<word>.+?) (?:a|an) (?:\w+)(?: or (?:a|an) \w+)?",
        rf"what (?:do|would) (?:you|we|people) call (?:the |a |an |some )?{_ABOUT}s? (?:of|for|to) (?P<word>.+)",
        r"where (?:does|do|did) (?P<word>.+?) (?:come|originate|derive)(?: from)?",
        rf"(?P<word>.+?)(?:'s)?(?<!\ba)(?<!\ban)(?<!\bthe)(?<!\bits)(?<!\btheir)(?<!\bsome) {_ABOUT}s?",
        r"what(?:'s| is| are) (?P<word>.+)",
        r"(?:what|how) about (?P<word>.+)",
    ]
]
_KINDS = re.compile(rf"^(?:the |this |that |a |an |my )?(?:\w+ )??{_KIND}s?:? (?:to )?(?=\S)", re.IGNORECASE)
_LEADING = re.compile(r"^(?:to be|to|the|a|an|being)\s+(?=\S)", re.IGNORECASE)
_REFERS = re.compile(
    rf"^(?:it|its|(?:(?:its|their|the|an?) )?{_ABOUT}s?|that|this|them|they"
    rf"|(?:the |this |that |its |the same |first |last )*{_KIND}|the one|)$|^(?:in|it in) ",
    re.IGNORECASE,
)


def asked(request: str) -> Ask | None:
    """What is wanted of the word; None when the request does not say (a definition, then)."""
    found = next((ask for ask, words in _ASK_WORDS.items() if re.search(words, request[:MAX_REQUEST], re.I)), None)
    if found is None and re.search(r"\b(?:mean\w*|defin\w*|dictionary|look)\b", request, re.IGNORECASE):
        return "meaning"
    return found


def word_of(request: str) -> str:
    """The word or phrase asked about, possibly "it", or "" when there is none."""
    text = tidy(request, MAX_REQUEST)
    if (quoted := re.search(r"[\"“«]([^\"”»]+)[\"”»]|(?<!\w)'([^']+)'(?!\w)", text)) is not None:
        return _bare(quoted[1] or quoted[2])
    while (shorter := _TAIL.sub("", _POLITE.sub("", text)).strip()) != text:
        text = shorter
    matches = (shape.match(text) for shape in _SHAPES)
    found = next((match["word"] for match in matches if match is not None), text)
    return _bare(_TAIL.sub("", found))


def is_reference(word: str) -> bool:
    """Whether `word` names no word itself: "it", "that word"."""
    return _REFERS.match(word) is not None


def _bare(word: str) -> str:
    word = word.strip(" '\"“”.,;:!?")
    if is_reference(word):
        return word
    word = _KINDS.sub("", word)
    word = re.sub(
        r"\s+(?:in a sentence|in the dictionary|up|in English|a word|a noun|a verb)$", "", word, flags=re.IGNORECASE
    )
    return _LEADING.sub("", word).strip(" '\"“”.,;:!?")
