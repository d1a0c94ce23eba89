"""The small grammar of requests: which words name the thing asked for, which stand for something said before.

General to English requests; other languages pass through unchanged. Not covered here: what a word refers to
(conlora_agent.focus).
"""

from __future__ import annotations

import re


def word_set(text: str) -> frozenset[str]:
    """A closed class of words, written as one line."""
    return frozenset(text.split())


PICTURE_NOUNS = ("picture", "image", "photo", "photograph", "screenshot", "scan", "pic")
DETERMINERS = word_set("the a an this that these those my your his her its our their some any every all another")

_PICTURE = rf"(?:the|this|that|my)\s+(?:whole\s+|entire\s+|full\s+)?(?:{'|'.join(PICTURE_NOUNS)})"
_BE = r"(?:is|are|was|were|'s|’s|'re)"

# Ways to begin a request to find something, or to carry on with one. Each is followed by the phrase itself.
_CONNECTIVE = r"(?:and|also|then|now|next|so|but|or|no|not\s+that\s+one|ok|okay|well|yes)\b[\s,]*"
_ABOUT = r"(?:what|how)\s+about\b\s*"
_POLITE = r"(?:please|kindly|hey|hi|hello)\b[\s,]*"
_ASKING = r"(?:can|could|would|will|do|did)\s+(?:you|we|i)\s+(?:please\s+|kindly\s+|also\s+|now\s+)?"
_WISH = (
    r"(?:(?:i\s+(?:want|need|would\s+like|wish)(?:\s+you)?\s+to|i'd\s+like\s+to)\s+(?:know\s+|see\s+)?"
    r"|let\s+me\s+(?:know|see)\s+|help\s+me\s+(?:to\s+)?)"
)
_WHERE = (
    rf"(?:where(?:abouts)?(?:\s+(?:in|on)\s+{_PICTURE})?\s*"
    rf"(?:{_BE}|can\s+(?:i|you|we)\s+(?:find|see)|do\s+you\s+see)\s+)"
)
_EMBEDDED = r"(?:(?:tell|show|say|see|know|find\s+out|point\s+out)\s+(?:me\s+|to\s+me\s+)?where(?:abouts)?\s+)"
_FIND = (
    r"(?:find|locate|detect|spot|highlight|mark|circle|outline|identify|pinpoint|select|see|show|get|give"
    r"|point\s+(?:out|to|at)|point\s+me\s+(?:to|at)|look\s+(?:for|at)|search\s+for"
    r"|draw\s+(?:a|the)\s+(?:bounding\s+)?box\s+(?:around|on|over)"
    r"|put\s+(?:a|the)\s+(?:bounding\s+)?box\s+(?:around|on|over)|box)\s+(?:for\s+)?(?:me\s+)?"
)
_PLACE = (
    r"(?:what\s+(?:is|are)\s+|what's\s+)?(?:the\s+)?(?:bounding\s+)?"
    r"(?:location|position|place|coordinates|box(?:es)?)\s+(?:of|for)\s+"
)
_EXISTS = r"(?:(?:is|are|was|were)\s+there|do\s+you\s+see|have\s+you\s+got)\s+"
_FRAMES = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (_POLITE, _CONNECTIVE, _ABOUT, _ASKING, _WISH, _EMBEDDED, _WHERE, _PLACE, _FIND, _EXISTS)
)
_CARRY_ON = tuple(re.compile(p, re.IGNORECASE) for p in (_POLITE, _CONNECTIVE, _ABOUT))

_TAILS = tuple(
    re.compile(p, re.IGNORECASE)
    for p in (
        r"[\s.,;:!?…]+$",
        r"[\s,]+(?:please|too|as\s+well|also|then|now|instead|for\s+me|located|here)$",
        rf"\s+(?:in|on|of|from)\s+{_PICTURE}$",
    )
)
_TRAILING_BE = re.compile(rf"\s+{_BE}$", re.IGNORECASE)
_EMBEDDED_WHERE = re.compile(_EMBEDDED, re.IGNORECASE)
_ONE = re.compile(r"\bones?\b", re.IGNORECASE)
_AFTER_HEAD = re.compile(
    r"\s+(?:on|in|at|of|with|near|by|under|over|above|below|behind|beside|between|to|from|next|that|which|who|"
    r"wearing|holding|without)\b.*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w'’-]+")
_LAST_PHRASE = re.compile(
    rf"\b(?:{'|'.join(sorted(DETERMINERS))})\s+(?:(?!\b(?:{'|'.join(sorted(DETERMINERS))})\b).)+$", re.IGNORECASE
)


def words(text: str) -> list[str]:
    """The words of a text, lower case, in order."""
    return [word.lower() for word in _WORD.findall(text)]


def referring_phrase(request: str) -> str:
    """What a request to find something is about: "where is the blue book?" gives "the blue book".

    A request of unknown form comes back whole, without its closing punctuation.
    """
    text = " ".join(request.split())
    embedded = _EMBEDDED_WHERE.search(text) is not None
    phrase = _strip_tails(_strip_frames(text, _FRAMES))
    if embedded:  # "tell me where the dog is"
        phrase = _strip_tails(_TRAILING_BE.sub("", phrase))
    return phrase or _strip_tails(text) or text


def is_fragment(request: str) -> bool:
    """Whether a request is only a noun phrase that leans on the request before: "and the red one?", "the dog too"."""
    text = " ".join(request.split())
    rest = _strip_tails(_strip_frames(text, _CARRY_ON))
    tokens = words(rest)
    if not tokens or referring_phrase(rest) != rest:
        return False
    carried_on = _strip_frames(text, _CARRY_ON) != text
    noun_like = tokens[0] in DETERMINERS or tokens[-1] in ("one", "ones")
    return (noun_like or (carried_on and len(tokens) <= 3)) and not _is_clause(tokens)


def complete(request: str, earlier: str) -> str:
    """A fragment completed by the request before: "and the red one?" after "where is the blue book?" gives
    "where is the red book?". What is no fragment, or follows a request without a noun phrase, comes back unchanged."""
    if not is_fragment(request):
        return request
    old = _noun_phrase(earlier)
    if old is None:
        return request
    new = _strip_tails(_strip_frames(" ".join(request.split()), _CARRY_ON))
    start = earlier.rindex(old)
    return earlier[:start] + _substitute_one(new, old) + earlier[start + len(old) :]


def head(phrase: str) -> str:
    """The noun a phrase is about: "the blue book on the table" gives "book"."""
    found = _WORD.findall(_AFTER_HEAD.sub("", _strip_tails(phrase)))
    return found[-1] if found else phrase


def bare(phrase: str) -> str:
    """A phrase without its determiner, lower case: "The blue book" gives "blue book"."""
    tokens = words(phrase)
    return " ".join(tokens[1:] if tokens and tokens[0] in DETERMINERS else tokens)


def _strip_frames(text: str, frames: tuple[re.Pattern[str], ...]) -> str:
    changed = True
    while changed:
        changed = False
        for frame in frames:
            if (match := frame.match(text)) and match.end() < len(text):
                text, changed = text[match.end() :], True
    return text


def _strip_tails(text: str) -> str:
    changed = True
    while changed:
        changed = False
        for tail in _TAILS:
            shorter = tail.sub("", text)
            if shorter and shorter != text:
                text, changed = shorter, True
    return text.strip()


# Words that make a clause or stand for something themselves: with one of them a text is no bare noun phrase.
_NOT_IN_FRAGMENT = word_set(
    "it they them he him she this that is are was were am be do does did can could will would should has have had "
    "say says mean means read reads tell what where when who whom whose why how which"
)


def _is_clause(tokens: list[str]) -> bool:
    return any(token in _NOT_IN_FRAGMENT for token in tokens[1:] or tokens)


def _noun_phrase(request: str) -> str | None:
    """The noun phrase that a later fragment would replace: what was to be found, or else the last one."""
    text = _strip_tails(request)
    phrase = referring_phrase(text)
    if phrase != text and phrase in request:
        return phrase
    match = _LAST_PHRASE.search(text)
    return match.group() if match and match.group() in request else None


def _substitute_one(phrase: str, earlier: str) -> str:
    """Put the head noun of `earlier` in the place of "one": "the red one" and "the blue book" give "the red book"."""
    noun = head(earlier)
    if noun.lower() in ("one", "ones"):
        return phrase

    def noun_for(match: re.Match[str]) -> str:
        plural = match.group().lower() == "ones" and not noun.endswith("s")
        return noun + "s" if plural else noun

    return _ONE.sub(noun_for, phrase)
