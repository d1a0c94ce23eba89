"""Types, errors and protocols that every room shares. Imports the standard library and pydantic only."""
