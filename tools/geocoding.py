"""Where a place is, from Open-Meteo's geocoding API (keyless; https://open-meteo.com/en/docs/geocoding-api).

Not covered here: which words of a request name the place (`weatherwords.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from conlora_agent.core.errors import ToolError
from tools.http import HttpClient
from tools.places import plain

CANDIDATES = 10
MAX_AGE = timedelta(days=30)


@dataclass(frozen=True)
class Located:
    """A place: its full name ("Paris, Texas, United States"), degrees north and east, IANA time zone."""

    name: str
    latitude: float
    longitude: float
    zone: str


def locate(client: HttpClient, url: str, place: str, *, max_age: timedelta | None = MAX_AGE) -> Located:
    """The best match for `place`; what follows a comma must be its region or country. Raises ToolError for none."""
    name, _, inside = place.partition(",")
    params: dict[str, str | int | float] = {"name": name.strip(), "count": CANDIDATES, "language": "en"}
    answer = client.get(f"{url}/v1/search", {**params, "format": "json"}, max_age=max_age).json()
    if not isinstance(answer, dict) or not isinstance(results := answer.get("results", []), list):
        raise ToolError("the geocoding service answered with something unreadable", "check the setting geocoding_url")
    found = next((row for row in results if isinstance(row, dict) and _inside(row, inside)), None)
    if found is None:
        raise ToolError(f"no place called {place.strip()!r} is known", "name a larger place nearby")
    return _located(found)


def _located(row: dict[str, Any]) -> Located:
    parts = dict.fromkeys(str(row[key]) for key in ("name", "admin1", "country") if row.get(key))
    try:
        latitude, longitude = float(row["latitude"]), float(row["longitude"])
    except (KeyError, TypeError, ValueError) as error:
        raise ToolError("the geocoding service gave no coordinates", "check the setting geocoding_url") from error
    return Located(", ".join(parts), latitude, longitude, str(row.get("timezone") or "UTC"))


def _inside(row: dict[str, Any], inside: str) -> bool:
    wanted = plain(inside)
    known = [plain(str(row.get(key, ""))) for key in ("admin1", "admin2", "country", "country_code")]
    return not wanted or wanted in known or any(re.search(rf"\b{re.escape(wanted)}\b", name) for name in known if name)
