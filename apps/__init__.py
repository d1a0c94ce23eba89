"""The programs people use: command line, terminal chat, web chat. Thin: they show what conlora_agent returns."""
