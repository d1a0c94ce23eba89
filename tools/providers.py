"""Where the built-in tools get their answers: addresses and keys, with keyless public services as defaults.

The settings of the same names override them. Not covered here: what each service answers; see the tool that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Providers:
    """Base addresses without a path. `*_fallback_url` is asked where the first one fails."""

    wikipedia_url: str = "https://en.wikipedia.org"
    wikidata_url: str = "https://www.wikidata.org"
    weather_url: str = "https://api.open-meteo.com"
    weather_fallback_url: str = "https://api.met.no"
    geocoding_url: str = "https://geocoding-api.open-meteo.com"
    currency_url: str = "https://api.frankfurter.dev"
    currency_fallback_url: str = "https://www.ecb.europa.eu"
    dictionary_url: str = "https://api.dictionaryapi.dev"
    dictionary_fallback_url: str = "https://en.wiktionary.org"
    duckduckgo_url: str = "https://html.duckduckgo.com"
    instant_answers_url: str = "https://api.duckduckgo.com"
    brave_url: str = "https://api.search.brave.com"
    brave_key: str | None = field(default=None, repr=False)
    searxng_url: str | None = field(default=None, repr=False)

    def own(self) -> Iterator[str]:
        """Addresses that were changed: whoever set them trusts them, public or not."""
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith("_url") and value and value != item.default:
                yield value
