"""The small grammar of requests: which words name the thing asked for, which stand for something said before.

General to English requests; other languages pass through unchanged. Not covered here: what a word refers to
(conlora_agent.focus).
"""

from __future__ import annotations

import itertools
import re


def word_set(text: str) -> frozenset[str]:
    """A closed class of words, written as one line."""
    return frozenset(text.split())


PICTURE_NOUNS = ("picture", "image", "photo", "photograph", "screenshot", "scan", "pic")
DETERMINERS = word_set("the a an this that these those my your his her its our their some any every all another")

PREPOSITIONS = word_set(
    "on in at of with near by under over above below behind beside between to from next without inside for into"
)

_PICTURE = rf"(?:the|this|that|my)\s+(?:whole\s+|entire\s+|full\s+)?(?:{'|'.join(PICTURE_NOUNS)})"
_BE = r"(?:is|are|was|were|'s|’s|'re)"

# Ways to begin a request to find something, or to carry on with one. Each is followed by the phrase itself.
_CONNECTIVE = r"(?:and|also|then|now|next|so|but|or|no|not\s+that\s+one|ok|okay|well|yes)\b[\s,]*"
_ABOUT = r"(?:what|how)\s+about\b\s*"
_POLITE = r"(?:please|kindly|hey|hi|hello)\b[\s,]*"
_ASKING = r"(?:can|could|would|will|do|did)\s+(?:you|we|i)\s+(?:please\s+|kindly\s+|also\s+|now\s+)?"
_WISH = (
    r"(?:(?:i\s+(?:want|need|would\s+like|wish)(?:\s+you)?\s+to|i'd\s+like(?:\s+you)?\s+to|help\s+me(?:\s+to)?)\s+"
    r"|let\s+me\s+)"
)
_WHERE = (
    rf"(?:where(?:abouts)?(?:\s+(?:in|on)\s+{_PICTURE})?\s*"
    rf"(?:{_BE}|can\s+(?:i|you|we)\s+(?:find|see)|do\s+you\s+see)\s+)"
)
_AREA = r"(?:area|part|corner|half|quarter|region|section|spot|side|end|edge)"
_PART = (
    rf"(?:(?:in|on|at|to|towards)\s+)?(?:which|what)\s+{_AREA}(?:\s+or\s+{_AREA})?\s+(?:of\s+{_PICTURE}\s+)?"
    rf"(?:{_BE}|shows|contains|has|can\s+(?:i|you|we)\s+(?:find|see)|do\s+you\s+see)\s+"
    rf"(?=(?:{'|'.join(sorted(DETERMINERS))})\b)"
)
_EMBEDDED = r"(?:(?:tell|show|say|see|know|find\s+out|point\s+out)\s+(?:me\s+|to\s+me\s+)?where(?:abouts)?\s+)"
_FIND = (
    r"(?:find|locate|detect|spot|highlight|mark|circle|outline|identify|pinpoint|select|see|know|show|get|give"
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
    for p in (_POLITE, _CONNECTIVE, _ABOUT, _ASKING, _WISH, _EMBEDDED, _WHERE, _PART, _PLACE, _FIND, _EXISTS)
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
# What such a beginning leaves behind at the end: "tell me where the dog is", "which corner is the dog in".
_LEFT_BEHIND = tuple(
    (re.compile(begun, re.IGNORECASE), re.compile(rf"\s+{left}$", re.IGNORECASE))
    for begun, left in ((_EMBEDDED, _BE), (_PART, r"(?:in|on|at|to)(?:\s+it)?"))
)
_ONE = re.compile(r"\bones?\b", re.IGNORECASE)
_AFTER_HEAD = re.compile(rf"\s+(?:{'|'.join(sorted(PREPOSITIONS))}|that|which|who|wearing|holding)\b.*$", re.I)
_WORD = re.compile(r"[\w'’-]+")


def words(text: str) -> list[str]:
    """The words of a text, lower case, in order."""
    return [word.lower() for word in _WORD.findall(text)]


def referring_phrase(request: str) -> str:
    """What a request to find something is about: "where is the blue book?" gives "the blue book".

    A request of unknown form comes back whole, without its closing punctuation.
    """
    text = " ".join(request.split())
    phrase = _strip_tails(_strip_frames(text, _FRAMES))
    for begun, left in _LEFT_BEHIND:
        if begun.search(text):
            phrase = _strip_tails(left.sub("", phrase))
    return phrase or _strip_tails(text) or text


def about_what(output: str, request: str) -> str:
    """What of a request goes into the prompt of a task with this output kind: a thing to find, or all that was said."""
    return referring_phrase(request) if output == "boxes" else request


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
    old = noun_phrase(earlier) if is_fragment(request) else None
    if old is None:
        return request
    new = _strip_tails(_strip_frames(" ".join(request.split()), _CARRY_ON))
    start = earlier.rindex(old)
    return earlier[:start] + substitute_one(new, old) + earlier[start + len(old) :]


def substitute_one(text: str, antecedent: str) -> str:
    """The noun of `antecedent` in the place of "one": "read the red one" and "the blue book" give "read the red book".

    The number one ("one dog") and "no one" are left as they are.
    """
    noun = head(antecedent)
    if noun.lower() in ("one", "ones"):
        return text

    def noun_for(match: re.Match[str]) -> str:
        before, after = words(text[: match.start()])[-1:], words(text[match.end() :])[:1]
        if not before or before[0] in _NO_HEAD_AFTER or not _may_follow_head(after):
            return match.group()
        plural = match.group().lower() == "ones" and not noun.endswith("s")
        return noun + "s" if plural else noun

    return _ONE.sub(noun_for, text)


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
    """Whether a verb, a question word or a word that refers by itself shows that this is more than a noun phrase."""
    if any(token in _NOT_IN_FRAGMENT for token in tokens[1:]):
        return True
    if tokens[0] in _NOT_IN_FRAGMENT and (tokens[0] not in DETERMINERS or len(tokens) == 1):
        return True
    return any(b in DETERMINERS and a not in PREPOSITIONS for a, b in itertools.pairwise(tokens))


def noun_phrase(request: str) -> str | None:
    """The noun phrase that a later fragment would replace: what was to be found, or else the last one that no
    preposition leads in, with the place it is said to be at ("the car on the road")."""
    text = _strip_tails(request)
    phrase = referring_phrase(text)
    if phrase != text and phrase in request:
        return phrase
    spans = [match.span() for match in _WORD.finditer(text)]
    tokens = words(text)
    starts = [
        k
        for k, token in enumerate(tokens[:-1])
        if token in DETERMINERS and (k == 0 or tokens[k - 1] not in PREPOSITIONS) and not _ends_phrase(tokens[k + 1])
    ]
    if not starts:
        return None
    end = starts[-1] + 1
    while end + 1 < len(tokens) and not _ends_phrase(tokens[end + 1]):
        end += 1
    return text[spans[starts[-1]][0] : spans[end][1]]


def _ends_phrase(token: str) -> bool:
    return token in _NOT_IN_FRAGMENT or (token.endswith("ing") and token not in ("king", "ring", "wing", "thing"))


def _may_follow_head(after: list[str]) -> bool:
    return not after or after[0] in PREPOSITIONS or _ends_phrase(after[0]) or after[0] in ("and", "or", "please", "too")


_NO_HEAD_AFTER = PREPOSITIONS | word_set("no any every some is are there number find show locate only just")
