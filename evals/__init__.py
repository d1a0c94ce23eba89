"""Measurements of the router and the tasks; the same functions that serve are measured."""
