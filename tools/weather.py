"""The weather now and for the next days, anywhere: finds the place, asks Open-Meteo, and MET Norway where that fails.

"and tomorrow?" and "in Porto?" complete the last question; "there" is a place read from a picture or looked up. Not
covered here: reading the request (`weatherwords.py`), the providers (`geocoding.py`, `forecasts.py`), past weather.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.fallback import first_fresh, problems
from tools.forecasts import DAYS, Day, Forecast, met_norway, open_meteo
from tools.geocoding import Located, locate
from tools.http import HttpClient
from tools.weatherwords import days_asked, place_in, read_request

QUESTION = "Which city?"


class WeatherArgs(ToolModel):
    """`place`: a city or region, such as "Porto" or "Paris, Texas". `when`: days such as "tomorrow", "this weekend",
    "next 3 days", "2026-05-01"; None for now."""

    place: str = Field(min_length=1, max_length=100)
    when: str | None = Field(default=None, min_length=1, max_length=60)
    units: Literal["metric", "imperial"] = "metric"


class DayValue(ToolModel):
    """One day; numbers as the provider gave them, None where it gave none."""

    date: str
    sky: str
    low: float | None
    high: float | None
    rain_chance: float | None
    rain: float | None
    wind: float | None


class WeatherValue(ToolModel):
    """Weather at `place`: now at local `time` when no day was asked for, and the `days` asked for."""

    place: str
    time: str | None
    sky: str | None
    temperature: float | None
    feels_like: float | None
    humidity: float | None
    wind: float | None
    days: tuple[DayValue, ...]
    units: dict[str, str]
    provider: str
    at: str


class Weather(Tool[WeatherArgs]):
    """Forecasts from public services."""

    name = "weather"
    looks = "ocr"
    title = "Weather"
    description = "Tell the weather now or the forecast: temperature, rain, snow and wind in a city, today or later."
    args_model = WeatherArgs
    result_model = WeatherValue

    def __init__(
        self,
        client: HttpClient,
        *,
        weather_url: str,
        geocoding_url: str,
        fallback_url: str,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._client = client
        self._weather_url = weather_url.rstrip("/")
        self._geocoding_url = geocoding_url.rstrip("/")
        self._fallback_url = fallback_url.rstrip("/")
        self._now = now or (lambda: datetime.now().astimezone())

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Place and days meant. Raises MissingArgument when no place is named or known from before."""
        last = context.last(self.name)
        found = read_request(request, self._now().date(), context, last.arguments if last else None)
        if reply := context.answers.get("place"):
            found["place"] = place_in(reply)
        if "place" not in found:
            raise MissingArgument("place", QUESTION)
        return found

    def run(self, args: WeatherArgs) -> ToolResult:
        """Find the place and its weather. Raises ArgumentsError for days out of reach, ToolError, ToolUnavailable."""
        place = locate(self._client, self._geocoding_url, args.place)
        imperial = args.units == "imperial"
        forecast = first_fresh(
            [
                lambda: open_meteo(self._client, self._weather_url, place, imperial=imperial),
                lambda: met_norway(self._client, self._fallback_url, place, imperial=imperial),
            ]
        )
        days = _days(forecast, args.when)
        text = _now_text(place, forecast) if args.when is None else _days_text(place, forecast, days)
        value = _value(place, forecast, days, now=args.when is None)
        return ToolResult(value.model_dump(mode="json"), text + forecast.caution, forecast.source)

    def check(self) -> list[str]:
        """Asks for one place and its weather."""

        def probe() -> None:
            place = locate(self._client, self._geocoding_url, "Oslo", max_age=None)
            open_meteo(self._client, self._weather_url, place, max_age=None)

        return problems(probe)


def _days(forecast: Forecast, when: str | None) -> list[Day]:
    """The days asked for; today when none was."""
    if not forecast.days:
        return []
    today = forecast.days[0].day
    first, last = days_asked(when, today) if when else (today, today)
    chosen = [day for day in forecast.days if first <= day.day <= last]
    if not chosen:
        reach = forecast.days[-1].day
        problem = f"{forecast.provider} forecasts {_long(today)} to {_long(reach)}, not {when!r}"
        raise ArgumentsError(problem, f"ask for one of the next {min(DAYS, len(forecast.days))} days")
    return chosen


def _value(place: Located, forecast: Forecast, days: list[Day], *, now: bool) -> WeatherValue:
    current = forecast.now
    return WeatherValue(
        place=place.name,
        time=current.time if now else None,
        sky=current.sky if now else None,
        temperature=current.temperature if now else None,
        feels_like=current.feels_like if now else None,
        humidity=current.humidity if now else None,
        wind=current.wind if now else None,
        days=tuple(
            DayValue(
                date=day.day.isoformat(),
                sky=day.sky,
                low=day.low,
                high=day.high,
                rain_chance=day.rain_chance,
                rain=day.rain,
                wind=day.wind,
            )
            for day in days
        ),
        units=forecast.units,
        provider=forecast.provider,
        at=forecast.at,
    )


def _now_text(place: Located, forecast: Forecast) -> str:
    now, units = forecast.now, forecast.units
    parts = [now.sky]
    if now.temperature is not None:
        feels = f" (feels like {now.feels_like} {units['temperature']})" if now.feels_like is not None else ""
        parts.append(f"{now.temperature} {units['temperature']}{feels}")
    if now.humidity is not None:
        parts.append(f"humidity {now.humidity}%")
    if now.wind is not None:
        parts.append(f"wind {now.wind} {units['wind']}")
    return f"{place.name} at {now.time} local time: {', '.join(parts)} ({forecast.provider})."


def _days_text(place: Located, forecast: Forecast, days: list[Day]) -> str:
    if len(days) == 1:
        return f"{place.name} on {_long(days[0].day)}: {_day_text(days[0], forecast.units)} ({forecast.provider})."
    lines = [f"- {_long(day.day)}: {_day_text(day, forecast.units)}" for day in days]
    return "\n".join([f"{place.name} ({forecast.provider}):", *lines])


def _day_text(day: Day, units: dict[str, str]) -> str:
    parts = [day.sky]
    if day.low is not None and day.high is not None:
        parts.append(f"{day.low} to {day.high} {units['temperature']}")
    if day.rain_chance is not None:
        parts.append(f"chance of rain {day.rain_chance}%")
    if day.rain is not None:
        parts.append(f"{day.rain} {units['rain']} of rain or snow")
    if day.wind is not None:
        parts.append(f"wind up to {day.wind} {units['wind']}")
    return ", ".join(parts)


def _long(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B}"
