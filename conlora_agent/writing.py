"""Requests about writing: the thing to read ("what is written on the blue book?"), the words to find ("where does it
say EXIT?") and where they stand.

General to English requests. Not covered here: where a thing is (conlora_agent.perception).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from conlora_agent.core.types import Region
from conlora_agent.focus import enclosing
from conlora_agent.phrases import DETERMINERS, PICTURE_NOUNS, PREPOSITIONS, head, referring_phrase, word_set, words

TEXT = word_set(
    "text texts word words line lines letter letters number numbers digit digits title titles name names price prices "
    "date dates caption headline heading paragraph sentence message warning instructions ingredients address writing "
    "lettering handwriting inscription print signature slogan motto code total score amount quote author list note "
    "notes graffiti logo"
)
"""What is written, not what it is written on."""
PAGES = word_set(
    "page paper receipt bill ticket form letter document card menu cover poster notice label screen display board "
    "whiteboard blackboard scoreboard timetable"
)
"""What a picture is likely to show and nothing else, when it is to be read."""
SIDES = word_set("left right top bottom middle centre center corner side back front edge end one ones")
CHOOSING = SIDES | word_set(
    "first second third fourth last other upper lower big bigger biggest large larger largest small smaller smallest "
    "little tall long red orange yellow green blue purple pink brown black white grey gray"
)
"""Words that say which of several is meant."""

_THING = r"(?P<thing>(?:the|a|an|my|your|his|her|our)\s+[^\s,][^,]*?)"
_ON = re.compile(
    rf"\b(?:on|across|(?:title|text|words?|writing|lettering|inscription)\s+of)\s+{_THING}(?:$|,)", re.IGNORECASE
)
_SAYS = re.compile(rf"\b(?:do|does|did|what)\s+{_THING}\s+(?:say|read|spell)s?\b", re.IGNORECASE)
_READ = re.compile(
    rf"^(?:please\s+)?(?:read|transcribe|decipher)\s+(?:(?:me|out|aloud)\s+)*{_THING}(?:$|,)", re.IGNORECASE
)
_PART_OF = re.compile(r"^the\s+(?:side|back|front|top|bottom|cover|spine|label|lid|face)\s+of\s+", re.IGNORECASE)
_WRITING = r"(?:text|words?|writing|lettering|letters|inscription|lines?|phrase)"
_THIS = r"(?:the|this|that|my|your|his|her|our)"
_QUOTED = r"""["'“‘«](?P<words>[^"“”»]+?)["'”’»]"""
_BEARER = rf"(?:\s+(?:on|in)\s+{_THIS}\s+[^\"“”]+)?"
"""What words are said to stand on: they are looked for on all of the picture."""
_WORDS = rf"""(?:{_QUOTED}|(?P<bare>[^"“”]+?)){_BEARER}"""
_WHERE = rf"\bwhere(?:abouts)?\s+(?:exactly\s+|(?:on|in)\s+{_THIS}\s+\w+\s+)?"
_SOUGHT = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"^(?:all\s+)?(?:of\s+)?(?:the\s+)?(?:written\s+)?(?:text|words|writing|lettering|letters|inscription)$",
        rf"^(?:all\s+)?(?:the\s+)?{_WRITING}\s+{_QUOTED}{_BEARER}$",
        # a thing may be in quotes, too: the "blue book"
        r"""^["'“‘«](?P<bare>[^"“”»]+?)["'”’»]$""",
        rf"^(?:the\s+)?(?:words?|phrase)\s+{_WORDS}$",
        rf"^(?:the\s+)?{_WRITING}\s+(?:that\s+|which\s+)?(?:says?|reads?)\s+{_WORDS}$",
        # in capitals it is no "text box"
        rf"^(?:the\s+)?(?:text|writing|lettering|inscription)\s+(?P<words>(?-i:[A-Z0-9]).*?){_BEARER}$",
        rf"{_WHERE}(?:(?:do|does|did)\s+)?(?:it|this|{_THIS}\s+\w+)\s+(?:say|read|mention)s?\s+{_WORDS}$",
        rf"{_WHERE}(?:is|are)\s+{_WORDS}\s+(?:written|printed|mentioned){_BEARER}$",
    )
)
"""Ways to ask where something is written; the first asks for any writing."""
_DESCRIBING = (
    PREPOSITIONS
    | DETERMINERS
    | word_set(
        "it so they which who what when why how whether if written printed starting beginning ending anything something"
    )
)
"""Words without quotes that begin like this say what is written, as in "where is the date written?"."""
_SPAN = 3
"""Words that stand on more lines than this are not found as one."""
_END = re.compile(r"[.?!;](?:\s|$)")
_PLEASE = re.compile(r",? please$", re.IGNORECASE)
_LISTED = re.compile(r",\s+(?:(?:and|or)\s+)?|\s+(?:and|or)\s+", re.IGNORECASE)


def bearer(request: str) -> str | None:
    """The thing that a request names to have read what is on it: "the blue book".

    None where there is none, or where it may well be the whole picture ("read the sign").
    """
    text = " ".join(_END.split(request.strip())[0].split())
    for form in (_SAYS, _ON, _READ):
        if (match := form.search(text)) is None:
            continue
        thing = referring_phrase(_PART_OF.sub("", match["thing"]))
        noun = head(thing).lower()
        if noun in TEXT or noun in SIDES or noun in PICTURE_NOUNS:
            continue
        if (form is _ON and noun not in PAGES) or not CHOOSING.isdisjoint(words(thing)):
            return thing
    return None


def words_sought(request: str) -> str | None:
    """The words that a request wants to see where they are written: "EXIT" of "where does it say EXIT?".

    Empty where any writing is meant ("find the text"), None where a request is about no writing.
    """
    for text in (referring_phrase(request), _PLEASE.sub("", " ".join(request.split()).rstrip(" .?!"))):
        for form in _SOUGHT:
            if (match := form.search(text)) is not None:
                found = match.groupdict()
                bare = found.get("bare") or ""
                described = not _DESCRIBING.isdisjoint(words(bare)[:1])
                return None if described else found.get("words") or bare
    return None


def places_of(sought: str, lines: Sequence[Region]) -> list[Region]:
    """Where `sought` stands among lines of text in reading order, as words and in any case; empty: every line.

    What runs over lines is one place; of words that are listed, and stand nowhere like that, each must be found,
    or one if "or" is between them. Lines are labelled with what they say.
    """
    if not sought:
        return list(lines)
    wanted = _plain(sought)
    for many in range(1, _SPAN + 1):
        runs = [lines[k : k + many] for k in range(len(lines) - many + 1)]
        if found := [_together(run) for run in runs if f" {wanted} " in f" {_plain(' '.join(r.label for r in run))} "]:
            return found
    if _LISTED.search(sought) is None:
        return []
    each = [places_of(word, lines) for word in _LISTED.split(sought) if _plain(word)]
    enough = any if " or " in sought.casefold() else all
    return list(dict.fromkeys(itertools.chain(*each))) if enough(each) else []


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _together(run: Sequence[Region]) -> Region:
    """One region around those of a run, as sure as the least sure."""
    box = enclosing([region.box for region in run])
    scores = [region.score for region in run if region.score is not None]
    return Region(label=" ".join(region.label for region in run), box=box, score=min(scores, default=None))
