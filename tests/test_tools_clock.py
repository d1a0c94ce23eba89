from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.core.referents import Focus, TextReferent, ValueReferent
from tools.base import ArgumentsError, BadInput, MissingArgument, ToolContext
from tools.clock import Clock
from tools.dates import easter, find_date, shift
from tools.places import UnclearPlace, find_place, mentioned_place, with_country

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)  # a Tuesday
TODAY = NOW.date()
CLOCK = Clock(lambda: NOW)


def ask(request: str, context: ToolContext | None = None) -> str:
    return CLOCK.call(CLOCK.arguments(request, context or ToolContext())).text


def after(request: str) -> ToolContext:
    args = CLOCK.arguments(request, ToolContext())
    return ToolContext(Focus(referents=(ValueReferent(route="clock", arguments=args, value=CLOCK.call(args).value),)))


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("what time is it?", "It is 14:05 (Tuesday, 24 November 2026, UTC+0)."),
        ("What time is it in Tokyo?", "It is 23:05 in Tokyo (Tuesday, 24 November 2026, UTC+9)."),
        ("what's the time in new york right now", "It is 09:05 in New York (Tuesday, 24 November 2026, UTC-5)."),
        ("time in São Paulo please", "It is 11:05 in São Paulo (Tuesday, 24 November 2026, UTC-3)."),
        ("current time Berlin", "It is 15:05 in Berlin (Tuesday, 24 November 2026, UTC+1)."),
        ("Lisbon time?", "It is 14:05 in Lisbon (Tuesday, 24 November 2026, UTC+0)."),
        ("tell me the time in Nice", "It is 15:05 in Nice (Tuesday, 24 November 2026, UTC+1)."),
        ("what time is it in UTC+5:30", "It is 19:35 in UTC+5:30 (Tuesday, 24 November 2026, UTC+5:30)."),
        ("what time is it in Paris, Texas", "It is 08:05 in Paris, Texas (Tuesday, 24 November 2026, UTC-6)."),
        ("is it late in Los Angeles?", "It is 06:05 in Los Angeles (Tuesday, 24 November 2026, UTC-8)."),
        ("if I call Toronto now what time is it there", "It is 09:05 in Toronto (Tuesday, 24 November 2026, UTC-5)."),
        (
            "what time is it in Seoul, South Korea?",
            "It is 23:05 in Seoul, South Korea (Tuesday, 24 November 2026, UTC+9).",
        ),
        ("what day is it today?", "Today is Tuesday, 24 November 2026."),
        ("what year is it", "Today is Tuesday, 24 November 2026."),
        ("what's the date in Auckland?", "In Auckland it is Wednesday, 25 November 2026."),
        ("is it still Monday in Honolulu?", "In Honolulu it is Tuesday, 24 November 2026."),
        ("which day was it yesterday", "Yesterday was Monday, 23 November 2026."),
        ("time in St. Petersburg", "It is 17:05 in St Petersburg (Tuesday, 24 November 2026, UTC+3)."),
        ("what day is tomorrow", "Tomorrow is Wednesday, 25 November 2026."),
        ("what date is 3 weeks from now?", "3 weeks from now is Tuesday, 15 December 2026."),
        ("what will the date be in 10 days?", "In 10 days it is Friday, 4 December 2026."),
        ("what was the date 100 days ago?", "100 days ago was Sunday, 16 August 2026."),
        ("2 weeks after 1 May is what date?", "2 weeks after 1 May is Saturday, 15 May 2027."),
        ("what day of the week is 4 July 2027?", "4 July 2027 is Sunday, 4 July 2027."),
        ("when is Thanksgiving?", "Thanksgiving is Thursday, 26 November 2026."),
        ("when is Easter next year?", "Easter next year is Sunday, 28 March 2027."),
        ("how many days until Christmas?", "31 days until Friday, 25 December 2026."),
        ("how many days until 1 May?", "158 days until Saturday, 1 May 2027."),
        ("how many weeks until new year's eve", "5 weeks until Thursday, 31 December 2026."),
        ("how long until tomorrow", "1 day until Wednesday, 25 November 2026."),
        ("how many months until August", "8 months until Sunday, 1 August 2027."),
        ("how many days since 1 January?", "327 days since Thursday, 1 January 2026."),
        ("how many days ago was 1 November?", "23 days since Sunday, 1 November 2026."),
        ("how many years since 1969-07-20", "57 years since Sunday, 20 July 1969."),
        ("days between 1 March and 15 June 2027", "106 days from Monday, 1 March 2027 to Tuesday, 15 June 2027."),
        (
            "how many days are there in February 2028?",
            "29 days from Tuesday, 1 February 2028 to Wednesday, 1 March 2028.",
        ),
        ("time difference between Tokyo and Berlin", "Tokyo is 8 hours ahead of Berlin."),
        ("how many hours is Los Angeles behind Berlin", "Los Angeles is 9 hours behind Berlin."),
        ("how far ahead is Delhi", "Delhi is 5.5 hours ahead of here."),
        ("is Moscow ahead of Istanbul", "Moscow has the same time as Istanbul."),
    ],
)
def test_requests(request_: str, answer: str) -> None:
    assert ask(request_) == answer


@pytest.mark.parametrize(
    ("request_", "name", "question"),
    [
        ("what time is it in the USA?", "place", "Which city"),
        ("what time is it in Xyzzy", "place", "not known"),
        ("what time is it in Tokio", "place", "Did you mean Tokyo?"),
        ("what time is it there?", "place", "Which place"),
        ("how many days until my exam", "when", "Which date"),
        ("how many days until that date?", "when", "Which date"),
        ("and the blue one?", "ask", "the time, the date"),
    ],
)
def test_what_is_unclear_is_asked(request_: str, name: str, question: str) -> None:
    with pytest.raises(MissingArgument, match=question) as caught:
        ask(request_)
    assert caught.value.name == name


@pytest.mark.parametrize("request_", ["what day is 31 June?", "how many days until 1/5/2027?", "date in 999999 years"])
def test_dates_that_are_none_or_two_are_refused(request_: str) -> None:
    with pytest.raises(ArgumentsError) as caught:
        ask(request_)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "request_", "answer"),
    [
        ("what time is it in Tokyo?", "and in Berlin?", "It is 15:05 in Berlin (Tuesday, 24 November 2026, UTC+1)."),
        ("what time is it in Tokyo?", "New York?", "It is 09:05 in New York (Tuesday, 24 November 2026, UTC-5)."),
        ("what time is it in Tokyo?", "and here?", "It is 14:05 (Tuesday, 24 November 2026, UTC+0)."),
        ("what time is it in Tokyo?", "and the date?", "In Tokyo it is Tuesday, 24 November 2026."),
        ("what time is it in Sydney?", "what day is it there?", "In Sydney it is Wednesday, 25 November 2026."),
        ("how many days until Christmas?", "and Easter?", "124 days until Sunday, 28 March 2027."),
        ("how many days until Christmas?", "and in weeks?", "4 weeks until Friday, 25 December 2026."),
        ("how many days until Christmas?", "and until new year's eve?", "37 days until Thursday, 31 December 2026."),
    ],
)
def test_follow_ups_complete_the_last_question(before: str, request_: str, answer: str) -> None:
    assert ask(request_, after(before)) == answer


def test_there_is_the_place_in_a_text_read_before() -> None:
    sign = ToolContext(Focus(referents=(TextReferent(text="WELCOME TO\nTOKYO"),)))
    assert "23:05 in Tokyo" in ask("what time is it there?", sign)
    assert "14:05 in Lisbon" in ask("what time is it in that city", ToolContext(sign.focus, used=("Lisbon 12 km",)))


def test_that_date_is_the_one_in_a_text_read_before() -> None:
    ticket = ToolContext(Focus(referents=(TextReferent(text="ADMIT ONE\n12 March 2027"),)))
    assert ask("how many days until that date?", ticket) == "108 days until Friday, 12 March 2027."


def test_a_reply_completes_the_question() -> None:
    usa = "what time is it in the USA?"
    assert "09:05 in Boston" in ask(usa, ToolContext(answers={"place": "in Boston please"}))
    assert "23:05 in Tokyo" in ask("what time is it there", ToolContext(answers={"place": "Tokyo"}))
    assert ask("how long until my exam", ToolContext(answers={"when": "3 December"})).startswith("9 days")
    with pytest.raises(MissingArgument, match="Which larger city"):
        ask(usa, ToolContext(answers={"place": "the house of my aunt"}))


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"ask": "count"}, "'when' is missing"),
        ({"ask": "difference"}, "'place' is missing"),
        ({"ask": "date", "when": "soonish"}, "'soonish' is not a date"),
        ({"ask": "time", "place": "Atlantis"}, "'Atlantis' is not known"),
        ({"ask": "tea"}, "'ask': Input should be 'time', 'date', 'count' or 'difference'"),
    ],
)
def test_bad_arguments_are_one_line(args: dict[str, str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        CLOCK.call(args)


def test_value_carries_the_instant_and_the_zone() -> None:
    value = CLOCK.call({"ask": "time", "place": "Tokyo"}).value
    assert datetime.fromisoformat(value["at"]) == NOW
    assert value["at"].endswith("+09:00")
    assert value["zone"] == "Asia/Tokyo"


@given(st.text(max_size=120))
def test_any_request_is_answered_asked_or_refused(text: str) -> None:
    try:
        answer = ask(text)
    except BadInput as error:
        assert len(str(error).splitlines()) <= max(1, len(text.splitlines()))
    else:
        assert answer


# -- dates ------------------------------------------------------------------------------------------------------------

days = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@given(days, days)
def test_a_written_date_is_found_in_a_sentence(day: date, today: date) -> None:
    for words in (day.isoformat(), f"{day.day} {day:%B} {day.year}", f"{day:%B} {day.day}, {day.year}"):
        found = find_date(f"which weekday was {words}?", today)
        assert found is not None
        assert found.day == day
        assert found.words == words


@given(days, st.integers(0, 500), st.sampled_from(["day", "week", "fortnight", "month", "year"]))
def test_ahead_and_ago_are_shifts(today: date, count: int, unit: str) -> None:
    ahead = find_date(f"{count} {unit}s from now", today)
    ago = find_date(f"{count} {unit}s ago", today)
    assert ahead is not None
    assert ago is not None
    assert ahead.day == shift(today, count, unit)
    assert ago.day == shift(today, -count, unit)


@given(days, st.sampled_from(["Monday", "Wednesday", "Sunday"]))
def test_weekdays_fall_where_they_should(today: date, weekday: str) -> None:
    coming, last = find_date(f"next {weekday}", today), find_date(f"last {weekday}", today)
    assert coming is not None
    assert last is not None
    assert f"{coming.day:%A}" == f"{last.day:%A}" == weekday
    assert timedelta(0) < coming.day - today <= timedelta(7)
    assert timedelta(0) < today - last.day <= timedelta(7)


@given(days)
def test_a_day_without_a_year_is_the_next_or_the_last(today: date) -> None:
    ahead, behind = find_date("29 February", today), find_date("29 February", today, "past")
    assert ahead is not None
    assert behind is not None
    assert behind.day <= today <= ahead.day
    assert (ahead.day.month, ahead.day.day) == (2, 29)


def test_months_are_clamped_to_their_last_day() -> None:
    assert shift(date(2027, 1, 31), 1, "month") == date(2027, 2, 28)
    assert shift(date(2028, 2, 29), 1, "year") == date(2029, 2, 28)
    assert shift(date(2027, 3, 31), -1, "month") == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("year", "day"), [(1961, "04-02"), (2000, "04-23"), (2024, "03-31"), (2025, "04-20"), (2038, "04-25")]
)
def test_easter(year: int, day: str) -> None:
    assert easter(year).isoformat() == f"{year}-{day}"


# -- places -----------------------------------------------------------------------------------------------------------


def test_every_canonical_city_of_the_zone_database_is_known() -> None:
    wrong = []
    for zone in sorted(available_timezones()):
        region, _, city = zone.rpartition("/")
        if region in ("Europe", "Asia", "Africa"):
            place = find_place(city.replace("_", " "))
            january = datetime(2026, 1, 15)
            if place.zone.utcoffset(january) != find_place(place.name).zone.utcoffset(january):
                wrong.append(zone)
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Germany", "Europe/Berlin"),
        ("the Netherlands", "Europe/Amsterdam"),
        ("NYC", "America/New_York"),
        ("mumbai", "Asia/Kolkata"),
        ("Reykjavík", "Atlantic/Reykjavik"),
        ("London, Ontario", "America/Toronto"),
        ("London, UK", "Europe/London"),
        ("Portland Oregon", "America/Los_Angeles"),
        ("pacific time", "America/Los_Angeles"),
        ("China", "Asia/Shanghai"),
        ("Côte d'Ivoire", "Africa/Abidjan"),
    ],
)
def test_places(name: str, zone: str) -> None:
    assert str(find_place(name).zone) == zone


@pytest.mark.parametrize("country", ["USA", "Canada", "Russia", "Brazil", "Australia", "Mexico", "Indonesia"])
def test_a_country_with_several_times_is_not_guessed(country: str) -> None:
    with pytest.raises(UnclearPlace) as caught:
        find_place(country)
    assert caught.value.question.startswith("Which city in")


def test_ordinary_words_are_no_places() -> None:
    assert mentioned_place("a nice general act near the center, until easter") is None
    assert mentioned_place("flight to Buenos Aires, gate 4") == "Buenos Aires"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Gateway of India, Mumbai", "Mumbai"),
        ("Paris, France", "Paris"),
        ("New Zealand: Wellington 12 km", "Wellington"),
        ("made in New Zealand", "New Zealand"),
    ],
)
def test_of_a_country_and_its_city_the_city_is_meant(text: str, place: str) -> None:
    assert mentioned_place(text) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Zermatt\nSwitzerland", "Zermatt, Switzerland"),
        ("Welcome! Zermatt, Switzerland", "Zermatt, Switzerland"),
        ("made in Switzerland", "Switzerland"),
        ("12 km, Switzerland", "Switzerland"),
    ],
)
def test_a_town_nobody_knows_is_told_with_its_country(text: str, place: str) -> None:
    assert with_country("Switzerland", text) == place
    with pytest.raises(UnclearPlace):
        find_place("it in Tokyo")
    with pytest.raises(UnclearPlace):
        find_place("UTC+99")
