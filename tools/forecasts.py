"""Weather from Open-Meteo, and from MET Norway where that fails; both are public and keyless.

After https://open-meteo.com/en/docs and https://api.met.no/weatherapi/locationforecast/2.0/documentation. Numbers are
kept as the provider gave them. Not covered here: places (`geocoding.py`) and wording (`weather.py`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from conlora_agent.core.errors import ToolError
from tools.geocoding import Located
from tools.http import HttpClient
from tools.responses import Response

DAYS = 16
"""Days that Open-Meteo forecasts, today included."""
MAX_AGE = timedelta(minutes=10)
_METRIC = {"temperature": "°C", "wind": "km/h", "rain": "mm"}

_CURRENT = "temperature_2m,apparent_temperature,relative_humidity_2m,weather_code,wind_speed_10m"
_DAILY = (
    "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,precipitation_probability_max,"
    "wind_speed_10m_max"
)
# WMO weather interpretation codes, as Open-Meteo documents them.
_CODES = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "rime fog",
    51: "light drizzle",
    53: "drizzle",
    55: "dense drizzle",
    56: "light freezing drizzle",
    57: "freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light rain showers",
    81: "rain showers",
    82: "violent rain showers",
    85: "light snow showers",
    86: "heavy snow showers",
    95: "thunderstorm",
    96: "thunderstorm with light hail",
    99: "thunderstorm with heavy hail",
}


_MET_WORDS = re.compile("light|heavy|clear|sky|fair|partly|cloudy|fog|rain|sleet|snow|showers|and|thunder")


@dataclass(frozen=True)
class Now:
    """The weather at local `time`; degrees Celsius or Fahrenheit, speed in the forecast's units. None: not given."""

    time: str
    sky: str
    temperature: float | None
    feels_like: float | None
    humidity: float | None
    wind: float | None


@dataclass(frozen=True)
class Day:
    """One local day. `rain_chance` in percent, `rain` in the forecast's unit."""

    day: date
    sky: str
    low: float | None
    high: float | None
    rain_chance: float | None
    rain: float | None
    wind: float | None


@dataclass(frozen=True)
class Forecast:
    """What a provider forecasts for a place, with its units as they are written, and where it can be read."""

    now: Now
    days: tuple[Day, ...]
    units: dict[str, str]
    provider: str
    source: str
    at: str
    caution: str = ""


def open_meteo(
    client: HttpClient, url: str, place: Located, *, imperial: bool = False, max_age: timedelta | None = MAX_AGE
) -> Forecast:
    """Open-Meteo's forecast. Raises ToolError, ToolUnavailable."""
    params: dict[str, str | int | float] = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "current": _CURRENT,
        "daily": _DAILY,
        "timezone": "auto",
        "forecast_days": DAYS,
    }
    if imperial:
        params |= {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph", "precipitation_unit": "inch"}
    response = client.get(f"{url}/v1/forecast", params, max_age=max_age)
    units = {"temperature": "°F", "wind": "mph", "rain": "inch"} if imperial else dict(_METRIC)
    return _readable("Open-Meteo", "weather_url", lambda: _from_open_meteo(response, units))


def met_norway(client: HttpClient, url: str, place: Located, *, imperial: bool) -> Forecast:
    """MET Norway's forecast, in metric units. Raises ToolError, ToolUnavailable."""
    if imperial:
        raise ToolError("MET Norway gives metric units only", "ask in degrees Celsius")
    # Their terms ask for no more than four decimals, so that answers can be shared.
    params = {"lat": round(place.latitude, 4), "lon": round(place.longitude, 4)}
    response = client.get(f"{url}/weatherapi/locationforecast/2.0/compact", params, max_age=MAX_AGE)
    return _readable("MET Norway", "weather_fallback_url", lambda: _from_met_norway(response, place.zone))


def _readable(provider: str, setting: str, read: Callable[[], Forecast]) -> Forecast:
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ToolError(f"{provider} answered with something unreadable", f"check the setting {setting}") from error


def _from_open_meteo(response: Response, units: dict[str, str]) -> Forecast:
    answer = response.json()
    current, daily = answer["current"], answer["daily"]
    now = Now(
        time=str(current["time"]).replace("T", " "),
        sky=_sky(current.get("weather_code")),
        temperature=current.get("temperature_2m"),
        feels_like=current.get("apparent_temperature"),
        humidity=current.get("relative_humidity_2m"),
        wind=current.get("wind_speed_10m"),
    )
    days = tuple(
        Day(
            day=date.fromisoformat(day),
            sky=_sky(daily["weather_code"][index]),
            low=daily["temperature_2m_min"][index],
            high=daily["temperature_2m_max"][index],
            rain_chance=daily["precipitation_probability_max"][index],
            rain=daily["precipitation_sum"][index],
            wind=daily["wind_speed_10m_max"][index],
        )
        for index, day in enumerate(daily["time"])
    )
    return Forecast(now, days, units, "Open-Meteo", "https://open-meteo.com/", response.time, response.caution)


def _sky(code: Any) -> str:
    return _CODES.get(int(code), "unknown sky") if code is not None else "unknown sky"


def _from_met_norway(response: Response, zone: str) -> Forecast:
    series = response.json()["properties"]["timeseries"]
    local = ZoneInfo(zone)
    by_day: defaultdict[date, list[dict[str, Any]]] = defaultdict(list)
    for entry in series:
        time = datetime.fromisoformat(entry["time"]).astimezone(local)
        by_day[time.date()].append(entry["data"])
    first, details = series[0], series[0]["data"]["instant"]["details"]
    began = datetime.fromisoformat(first["time"]).astimezone(local)
    now = Now(
        time=f"{began:%Y-%m-%d %H:%M}",
        sky=_symbol([first["data"]]),
        temperature=details.get("air_temperature"),
        feels_like=None,
        humidity=details.get("relative_humidity"),
        wind=details.get("wind_speed"),
    )
    days = tuple(_met_day(day, entries) for day, entries in by_day.items())
    units = {**_METRIC, "wind": "m/s"}
    return Forecast(now, days, units, "MET Norway", "https://www.yr.no/", response.time, response.caution)


def _met_day(day: date, entries: list[dict[str, Any]]) -> Day:
    """A day from its hours. The sum of rain is left out: hours and six-hour spans overlap."""
    details = [entry["instant"]["details"] for entry in entries]
    temperatures = [hour["air_temperature"] for hour in details]
    winds = [hour["wind_speed"] for hour in details]
    return Day(day, _symbol(entries[len(entries) // 2 :]), min(temperatures), max(temperatures), None, None, max(winds))


def _symbol(entries: list[dict[str, Any]]) -> str:
    """The first symbol of `entries` as words: "lightrainshowers_day" gives "light rain showers"."""
    for entry in entries:
        for span in ("next_1_hours", "next_6_hours", "next_12_hours"):
            if span in entry:
                code = str(entry[span]["summary"]["symbol_code"]).partition("_")[0]
                return " ".join(_MET_WORDS.findall(code)) or "unknown sky"
    return "unknown sky"
