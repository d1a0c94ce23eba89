"""Find what a question is about: "when was Ada Lovelace born?" -> "Ada Lovelace", "who wrote it?" -> "it".

A table of question shapes, each leaving its topic. Not covered here: what a pronoun stands for.
"""

from __future__ import annotations

import re

from tools.spelling import tidy

MAX_REQUEST = 500
"""Characters of a request that are looked at."""

_WH = r"(?:who|whom|whose|what|when|where|which|how|why)"
_WIKI = r"(?:wikipedia|wiki|encyclopa?edia)"
_POLITE = re.compile(
    rf"""^(?:
        (?:hey|hi|hello|ok|okay|so|well|please|great|thanks|cool|now|and|also|then|but|um|uh|hmm)\b[,!.\s]*
      | (?:can|could|would|will)\ you\ (?:please\ )?
      | (?:i'd|i\ would)\ (?:like|love)\ (?:you\ )?to\ (?={_WH}\b|tell|look|search|find)
      | (?:(?:i'd|i\ would)\ (?:like|love)\ to|i\ want\ to|i\ need\ to|let\ me)\ know\ (?={_WH}\b)
      | (?:do\ you\ know|any\ idea|i\ was\ wondering|i\ wonder|remind\ me)\ (?={_WH}\b)
      | (?:tell\ me|find\ out|figure\ out|explain|check|say),?\ (?={_WH}\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_TAIL = re.compile(
    r"(?:[\s,]*\b(?:please|for me|in short|briefly|in brief|by the way|exactly|actually|again|then|too|as well|"
    rf"(?:on|in|from|using|at|via|with|according to) (?:the |an )?{_WIKI}|"
    r"in (?:one|a|two|a few) sentences?|look (?:it|that|this) up|today|thanks|thank you)|[?!.,;:]+)+$",
    re.IGNORECASE,
)
_BE = r"(?:is|are|was|were|'s|s|'re)"
_AUX = rf"(?: ?{_BE}| did| does| do| has| have| had| will| would| can| could)"
_DID = (
    r"(?:wrote|authored|painted|invented|discovered|directed|composed|created|designed|founded|built|made|sang|sings|"
    r"developed|published|starred in|plays in|played|killed|won|wins|owns|runs|rules|ruled|leads|led|drew|sculpted|"
    r"recorded|produced|coined|proposed|proved|formulated|conquered|started|established|illustrated|translated)"
)
_STATE = (
    r"(?:born|die|died|dead|founded|built|written|published|released|invented|discovered|located|found|made|created|"
    r"painted|composed|established|held|situated|happen|happened|start|started|begin|began|end|ended|open|opened|live|"
    r"lived|come from|comes from|based|buried|filmed|set|erupt|erupted|sink|sank|fall|fell|formed|crowned|elected|"
    r"come out|came out|take place|took place|go extinct|study|grow up|grew up|known|famous|mean|work|works|is|was|are|"
    r"were|important|\w{4,}ed)"
)
_KIND = (
    r"(?:year|century|country|city|town|place|continent|language|decade|state|period|date|month|era|river|ocean|genre)"
)
_MAKER = r"(?:author|writer|painter|artist|inventor|director|composer|founder|creator|designer|architect|owner|singer)"
_NOUN = r"(?:article|page|entry|summary|overview|information|info|facts?|background|biography|bio|details)"
_SIZE = r"(?:tall|high|old|big|large|long|deep|far|wide|heavy|fast|populous|hot|cold|small)"
_OFTEN = r"(?: (?:first|originally|usually|actually|finally|most))*"
_ABOUT = r"(?:about|on|of|for|regarding|concerning)"

_SHAPES = [
    re.compile(f"^{pattern}$", re.IGNORECASE)
    for pattern in [
        # Asking for the look-up itself.
        rf"(?:search|look up|look(?= \w+ up)|check|consult|ask|google)(?: (?:on|in|through))?(?:(?: the)? {_WIKI})?"
        rf"(?: (?:for|about))? (?P<topic>(?!{_WIKI}).+?)(?: up)?",
        rf"(?:(?:give|get|show|find|read|fetch|bring|pull)(?: up)? (?:me )?)?"
        rf"(?:(?:a|an|the|some|more|short|quick|brief|little|basic|{_WIKI}) )*{_NOUN} {_ABOUT} (?P<topic>.+)",
        rf"what (?:does|do) (?:the )?{_WIKI} (?:say|know|tell)(?: us)? {_ABOUT} (?P<topic>.+)",
        r"(?:tell|teach) (?:me|us) (?:(?:a bit|a little|something|more|everything|all|a few things) )*"
        r"(?:about|of) (?P<topic>.+)",
        r"what (?:do|can|did) you (?:know|tell me|find|say)(?: out)? about (?P<topic>.+)",
        r"(?:what|how) about (?P<topic>.+)",
        r"(?:i(?:'m| am) (?:curious|interested)|(?:i'd like to|i want to|let me|let's)? ?(?:learn|know|hear|read)"
        r"(?: more| something)?) (?:about|in|up on) (?P<topic>.+)",
        rf"(?:{_WIKI}|describe|define|explain|summari[sz]e|introduce)[:,]? (?P<topic>.+)",
        # Who did it.
        rf"who (?:(?:was it that|is it that|first|originally|also|really|actually|else) )*{_DID} (?P<topic>.+)",
        rf"(?:who|what) ?{_BE} the (?:name of the )?{_MAKER} (?:of|behind|for) (?P<topic>.+)",
        rf"by whom {_BE} (?P<topic>.+?) {_STATE}",
        # When, where, how.
        rf"(?:in |on |at )?(?:what|which) \w+ {_BE} (?:the )?(?:\w+(?:ed|en)|made|grown) (?:in|on|at) "
        r"(?P<topic>.+)",
        rf"(?:what|which) {_KIND} do (?:people|they|you|most people) \w+ in (?P<topic>.+)",
        rf"(?:in |on |at )?(?:what|which) {_KIND}{_AUX} (?P<topic>.+?)(?:{_OFTEN} {_STATE})?(?: in| from| at| on)?",
        rf"(?:what|how|when|where|why) else{_AUX} (?P<topic>\S+)(?: {_STATE}| \w+)?",
        rf"how {_SIZE}{_AUX} (?P<topic>.+?)(?: (?:when|away|from|get|got|become) .*| {_STATE})?",
        r"how many (?:people|inhabitants) (?:live in|does|are in) (?P<topic>.+?)(?: have)?",
        r"how many \S.*? (?:does|do|did) (?P<topic>.+) (?:have|has|win|write|own)",
        rf"why{_AUX} (?P<topic>.+?) (?:so|such|called|named|not|considered|always|only) .+",
        rf"(?:when|where|why|how){_AUX} (?P<topic>.+?)(?:{_OFTEN} {_STATE})?(?: in| from| at| for| by| with)?",
        rf"(?:when|where|why|how|{_SIZE}) (?P<topic>.+?){_OFTEN} (?:{_BE} )?{_STATE}(?: in| from| at| for| by)?",
        # What and who.
        rf"(?:what|who){_AUX} (?P<topic>.+?) (?:(?:best )?(?:known|famous) for|made (?:of|from)|used for|called|about|"
        r"stand for|mean|win|do|invent|discover|write|paint|compose|eat|build)",
        rf"(?:what|which) ?{_BE} (?:the )?(?:meaning|definition|story|history|population|height|origin|name) "
        r"(?:of|behind) (?P<topic>.+)",
        rf"(?:who|what|which) ?{_BE} (?:meant by )?(?P<topic>.+)",
        rf"(?:who|what) (?P<topic>.+?) (?:{_BE}|means?|stands? for)",
        r"what (?:happened (?:in|at|on|during|to)|caused?|causes) (?P<topic>.+)",
        rf"(?:what|which) (?:kind|type|sort|genre) of .+? {_BE} (?P<topic>.+)",
        rf"(?:{_BE}|did|does|has|have) (?P<topic>it|he|she|they|this|that)\b.*",
        rf"{_BE} (?P<topic>\S.*?) (?:a|an|the|still|really|in|from|bigger|older|larger|taller) .+",
    ]
]
_PRONOUN = r"(?:it|its|he|him|his|she|her|hers|they|them|their|theirs|this|that|these|those|one|there)"
_THING = (
    r"(?:book|novel|title|work|author|writer|person|man|woman|guy|lady|place|city|town|building|painting|picture|film|"
    r"movie|song|album|band|brand|company|product|word|name|sign|poster|cover|text|story|play|artist|thing|topic|one|"
    r"animal|plant|monument|landmark|statue|country|museum|event|term|subject|poem|magazine|game|logo|photo|image|page"
    r"|label|spine)"
)
_WORK = r"(?:book|novel|painting|film|movie|song|word|term|play|band|poem|album)"
_ANAPHORIC = re.compile(
    rf"^(?:(?:tell me |say |know )?(?:some )?more|go on|(?:the )?(?:{_PRONOUN})(?: {_THING})?"
    rf"|(?:this|that|these|those|the|its|his|her|their) (?:same )?{_THING}s?"
    rf"|(?:its|his|her|their) .+|(?:author|writer|painter|artist|creator|founder|director) of (?:it|this|that)"
    rf"|(?:.+ )?(?:of|by|about|in|on|from) (?:it|this|that|him|her|them)(?: {_THING})?"
    r"|.+ (?:shown|written|named|printed|seen|pictured|depicted) (?:here|there|(?:in|on) the \w+))$",
    re.IGNORECASE,
)


def topic_of(request: str) -> str:
    """What the request is about, possibly a pronoun, or "" when it names nothing."""
    text = _bare(request)
    if (quoted := re.search(r"[\"“«]([^\"”»]{2,})[\"”»]", text)) is not None:
        return quoted.group(1).strip()
    matches = (shape.match(text) for shape in _SHAPES)
    topic = next((match.group("topic") for match in matches if match is not None), text)
    return _cleaned(topic)


def is_anaphoric(topic: str) -> bool:
    """Whether `topic` names nothing itself but points at something said, read or shown before."""
    return not topic or _ANAPHORIC.match(topic) is not None


def _bare(request: str) -> str:
    """The request without greetings, politeness and closing punctuation."""
    text = tidy(request, MAX_REQUEST)
    text = re.sub(rf",? and {_WH}\b.*$", "", text, flags=re.IGNORECASE) if re.match(_WH, text, re.IGNORECASE) else text
    while (shorter := _TAIL.sub("", _POLITE.sub("", text)).strip()) != text:
        text = shorter
    return text


def _cleaned(topic: str) -> str:
    """Without quotes and, where it names something itself, without article and a word for what it is."""
    topic = topic.strip(" '\"“”.,;:!?")
    if is_anaphoric(topic):
        return topic
    return re.sub(rf"^(?:the|a|an) (?:{_WORK} (?!of\b)(?=\S))?", "", topic)
