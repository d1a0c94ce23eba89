"""The thing whose writing a request to read is about: "what is written on the blue book?".

General to English requests. Not covered here: where that thing is (conlora_agent.perception).
"""

from __future__ import annotations

import re

from conlora_agent.phrases import PICTURE_NOUNS, head, referring_phrase, word_set, words

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
_END = re.compile(r"[.?!;](?:\s|$)")


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
