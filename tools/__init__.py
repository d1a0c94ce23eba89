"""Open-domain tools: one small interface, a registry, and one file per tool with its routing examples beside it."""
