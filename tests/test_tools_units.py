"""Conversions of units by the calculator, against the international definitions (1 mile = 1609.344 m, 1 lb =
0.45359237 kg, 1 US gallon = 3.785411784 l)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.core.referents import Focus, TextReferent, ValueReferent
from tools.base import ArgumentsError, ToolContext
from tools.calculator import Calculator
from tools.units import stated

CALCULATOR = Calculator()


def answer(request: str, context: ToolContext | None = None) -> str:
    return CALCULATOR.call(CALCULATOR.arguments(request, context or ToolContext())).text


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("5 miles in km", "5 miles = 8.04672 km"),
        ("how many feet are in 3.048 m?", "3.048 m = 10 feet"),
        ("convert 100 °C to °F", "100 °C = 212 °F"),
        ("what's -40 F in celsius", "-40 °F = -40 celsius"),
        ("0 K in C", "0 kelvin = -273.15 °C"),
        ("6'2\" in cm", "6 feet 2 inches = 187.96 cm"),
        ("how far is half a mile in metres?", "0.5 mile = 804.672 metres"),
        ("two pounds in grams please", "2 pounds = 907.18474 grams"),
        ("36 km/h in m/s", "36 km/h = 10 m/s"),
        ("60 miles per hour to km/h", "60 miles per hour = 96.56064 km/h"),
        ("10 m² in cm²", "10 m2 = 100000 cm2"),
        ("how many seconds are there in 2 hours and 30 minutes", "2 hours 30 minutes = 9000 seconds"),
        ("how many litres is a gallon?", "1 gallon = 3.785411784 litres (US measure)"),
        ("2,5 kg in g", "2.5 kg = 2500 g"),
        ("12 in to cm", "12 in = 30.48 cm"),
        ("3 GB in MB", "3 GB = 3000 MB"),
    ],
)
def test_conversions(request_: str, text: str) -> None:
    assert answer(request_) == text


@pytest.mark.parametrize(
    "request_",
    ["17% of 2480", "20% off 80", "what is 3 + 4", "two cats in dogs", "3 dollars in euros", "the train takes 2 hours"],
)
def test_what_is_no_conversion(request_: str) -> None:
    assert stated(request_) is None


def test_the_value_has_its_unit_and_says_whether_it_was_rounded() -> None:
    value = CALCULATOR.call({"expression": "1 km in miles"}).value
    assert value["unit"] == "miles"
    assert value["exact"] is False
    assert value["result"].startswith("0.62137119")
    assert CALCULATOR.call({"expression": "1 mile in m"}).value["exact"] is True


def test_units_of_different_kinds_are_one_line() -> None:
    with pytest.raises(ArgumentsError, match="kg cannot be given in km; name a unit of the same kind"):
        answer("5 kg in km")


def test_follow_ups_and_texts_that_were_read() -> None:
    last = ValueReferent(route="calculator", arguments={"expression": "5 miles in km"}, value={"result": "8.04672"})
    after = ToolContext(focus=Focus(referents=(last,)))
    assert answer("and in metres?", after) == "5 miles = 8046.72 metres"
    assert answer("and 10 miles?", after) == "10 miles = 16.09344 km"
    assert answer("times 2", after) == "16.09344"
    read = ToolContext(focus=Focus(referents=(TextReferent(text="PORTO 12 km"),)))
    assert answer("how many metres is that?", read) == "12 km = 12000 metres"
    assert answer("how far is that in metres?", ToolContext(used=("Porto 12km, exit 3",))) == "12 km = 12000 metres"


@given(st.text(max_size=60))
def test_any_text_is_looked_at(text: str) -> None:
    expression = stated(f"{text} 5 km in m")
    if expression is not None:
        assert " in " in expression
    stated(text)
