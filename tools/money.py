"""Amounts of money in words: "€ 24,90", "two hundred dollars", "USD 5", each with the currency it is in.

Names that several currencies share ("kroner", "pesos") are returned as they are, for the user to decide. Not covered
here: which of two amounts is to be converted (`currency.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.expression import normalise, tokenise

_NAMES = {
    "USD": "us dollars? / u\\.?s\\.? dollars? / american dollars? / american money / american currency / dollars?"
    " / bucks? / us\\$ / \\$",
    "EUR": "euros? / €",
    "GBP": "british pounds? / pounds? sterling / sterling / pounds? / quid / british money / £",
    "JPY": "japanese yen / yen / ¥",
    "CHF": "swiss francs? / francs? / sfr\\.? / fr\\.",
    "CAD": "canadian dollars? / c\\$ / ca\\$",
    "AUD": "australian dollars? / aussie dollars? / a\\$ / au\\$",
    "NZD": "new zealand dollars? / nz\\$ / kiwi dollars?",
    "SGD": "singapore dollars? / s\\$",
    "HKD": "hong kong dollars? / hk\\$",
    "SEK": "swedish (?:kron\\w+|crowns?) / kronor / krona",
    "NOK": "norwegian (?:kron\\w+|crowns?)",
    "DKK": "danish (?:kron\\w+|crowns?)",
    "ISK": "icelandic (?:kr[oó]n\\w+|crowns?) / kr[oó]nur",
    "CZK": "czech (?:korun\\w*|crowns?) / korun\\w* / kč",
    "PLN": "(?:polish )?z[lł]ot(?:y|ys|ies) / zł",
    "HUF": "(?:hungarian )?forints?",
    "RON": "romanian le[ui] / lei / leu",
    "BGN": "(?:bulgarian )?lev[as]?",
    "TRY": "(?:turkish )?liras? / ₺",
    "ILS": "(?:new )?(?:israeli )?shekels? / sheqels? / ₪",
    "INR": "indian rupees? / rupees? / ₹",
    "CNY": "chinese yuan / yuan / renminbi / rmb / chinese money",
    "KRW": "(?:south )?korean won / (?<=\\d )won / (?<=thousand )won / (?<=million )won / ₩",
    "THB": "(?:thai )?baht / ฿",
    "IDR": "(?:indonesian )?rupiahs?",
    "MYR": "(?:malaysian )?ringgits?",
    "PHP": "philippine pesos? / ₱",
    "MXN": "mexican pesos?",
    "BRL": "brazilian rea(?:l|is|ls) / reais / r\\$",
    "ZAR": "(?:south african )?rands?",
    "AED": "(?:emirati )?dirhams?",
    "RUB": "(?:russian )?ro?ubles? / ₽",
    "BTC": "bitcoins?",
}
SHARED = {
    "kroner": ("DKK", "NOK"),
    "krone": ("DKK", "NOK"),
    "crowns": ("CZK", "DKK", "NOK", "SEK"),
    "kr": ("DKK", "NOK", "SEK"),
    "pesos": ("MXN", "PHP"),
    "peso": ("MXN", "PHP"),
}
"""Names of several currencies, and which ones they may be."""

CODES = frozenset(_NAMES)
_WHOLE = frozenset({"JPY", "KRW", "HUF", "ISK", "IDR"})
"""Currencies whose amounts are written without decimals."""


def _bounded(name: str) -> str:
    """A name between word borders; signs need none."""
    return rf"(?<![^\W\d_])(?:{name})\b" if re.search(r"[a-zł?*+)]$", name) else name


_BY_LENGTH = sorted(
    ((code, name) for code, names in _NAMES.items() for name in names.split(" / ")), key=lambda pair: -len(pair[1])
)
_CURRENCY = re.compile(
    "|".join(
        [
            *(rf"(?P<{code}_{number}>{_bounded(name)})" for number, (code, name) in enumerate(_BY_LENGTH)),
            rf"(?<![^\W\d_])(?P<code>{'|'.join(CODES)})\b",
            rf"(?<![^\W\d_])(?P<shared>{'|'.join(SHARED)})\b",
            r"(?<![^\W\d_])(?P<other>(?-i:[A-Z]{3}))\b",
        ]
    ),
    re.IGNORECASE,
)
_EUROPEAN = re.compile(r"(\d{1,3}(?:\.\d{3})+),(\d{2})\b")
_DASH = re.compile(r"(?<=\d)[.,]\s?[-–—]+")
_AFTER = re.compile(r"\s*(?P<number>\d[\d., ]*\d|\d)(?:\s*(?:k|thousand|million|m|bn|billion)\b)?", re.IGNORECASE)
_NO_CODES = frozenset(
    {"THE", "AND", "FOR", "NOW", "TAX", "VAT", "INC", "ALL", "NEW", "HOW", "OFF", "BUY", "GET", "PER"}
)


@dataclass(frozen=True)
class Mention:
    """A currency in a text: its code (or a shared name), the amount beside it if any, and where it stands."""

    currency: str
    amount: float | None
    start: int
    end: int

    @property
    def is_shared(self) -> bool:
        """Whether the name could be several currencies."""
        return self.currency in SHARED


def mentions(text: str) -> list[Mention]:
    """The currencies of a text, in order, each with its amount."""
    text = plain_numbers(text)
    found: list[Mention] = []
    position = 0
    for match in _CURRENCY.finditer(text):
        if (code := _code(match)) is None:
            continue
        amount, start = _before(text[position : match.start()], position)
        end = match.end()
        if amount is None and (after := _AFTER.match(text, match.end())) and _may_lead(match.group()):
            amount, end = number_in(after.group()), after.end()
        found.append(Mention(code, amount, start if start is not None else match.start(), end))
        position = end
    return found


def number_in(text: str) -> float | None:
    """The one number of a text, in digits or words; None when there is none or several."""
    tokens = [token for token in tokenise(normalise(plain_numbers(text))) if token.kind == "number"]
    return _float(tokens[0].value) if len(tokens) == 1 else None


def decimals(currency: str) -> int:
    """Decimals that amounts of a currency are written with."""
    return 0 if currency in _WHOLE else 2


def plain_numbers(text: str) -> str:
    """Numbers the English way: "1.299,00" as "1299.00", "24,-" as "24"."""
    return _DASH.sub("", _EUROPEAN.sub(lambda match: match[1].replace(".", "") + "." + match[2], text))


def _code(match: re.Match[str]) -> str | None:
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    name, value = next(iter(groups.items()))
    if name == "shared":
        return value.lower()
    if name == "code":
        return value.upper() if value.isupper() or value.lower() not in ("try", "ron") else None
    if name == "other":
        return None if value in _NO_CODES else value
    return name.partition("_")[0]


def _before(segment: str, offset: int) -> tuple[float | None, int | None]:
    """The number that ends `segment`, and where it starts; "a euro" is one."""
    bare = segment.rstrip(" -")
    if (one := re.search(r"\b(?:an?|one)$", bare, re.IGNORECASE)) is not None:
        return 1.0, offset + one.start()
    text = normalise(bare)
    tokens = tokenise(text)
    if not tokens or tokens[-1].kind != "number" or text[tokens[-1].end :].strip(" .,"):
        return None, None
    return _float(tokens[-1].value), offset + tokens[-1].start


def _may_lead(currency: str) -> bool:
    """Whether a number after a currency belongs to it: "$5", "EUR 12", "kr 249", but not "dollars 2 times"."""
    return not currency[-1].isalpha() or currency.isupper() or currency.lower() == "kr"


def _float(value: object) -> float | None:
    return float(value) if value is not None else None  # type: ignore[arg-type]
