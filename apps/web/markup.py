"""Text as HTML. Everything shown comes from users, models and the web, so nothing reaches the page but through here.

Not covered here: what is said where (messages.py).
"""

from __future__ import annotations

import html
import json
from typing import Any

from markdown_it import MarkdownIt

from apps.render import printable

# Pictures in an answer would be fetched from elsewhere, which would tell third parties who reads it.
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable("image")


def plain(text: str) -> str:
    """The text as it is, fit for an element's content and for an attribute in double quotes."""
    return html.escape(printable(text))


def markdown(text: str) -> str:
    """An answer as HTML: Markdown without HTML and without pictures; links open a page of their own."""
    rendered: str = _MARKDOWN.render(printable(text))
    return rendered.replace("<a href", '<a target="_blank" rel="noopener noreferrer" href')


def code(value: Any) -> str:
    """A value as JSON that is laid out to be read."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return f"<pre><code>{plain(text)}</code></pre>"


def attributes(**given: str | int | float | bool | None) -> str:
    """Attributes of an element. `_` stands for `-`; True gives no value; None and False leave the attribute out."""
    parts = []
    for name, value in given.items():
        if value is True:
            parts.append(name.rstrip("_").replace("_", "-"))
        elif value is not None and value is not False:
            parts.append(f'{name.rstrip("_").replace("_", "-")}="{plain(str(value))}"')
    return " ".join(parts)


def button(text: str, do: str, /, *, class_: str = "", label: str | None = None, **data: str | int) -> str:
    """A button that tells the server `do`, with `data` (see page.js). `text` is HTML."""
    given = attributes(class_=class_ or None, aria_label=label, data_do=do, **{f"data_{k}": v for k, v in data.items()})
    return f'<button type="button" {given}>{text}</button>'
