"""Keys stay out of logs and answers: addresses are written without the user and the query that may hold one.

Not covered here: headers, which no library logs.
"""

from __future__ import annotations

import logging
import re

_ADDRESS = re.compile(
    r"(?P<scheme>\bhttps?://)(?:[^\s/?#'\"<>]*@)?(?P<rest>[^\s?#'\"<>]*)(?P<query>[?#][^\s'\"<>]*)?", re.I
)
_LOGGERS = ("httpx", "mcp.client.streamable_http")
"""They log the address of every request."""


def without_keys(text: str) -> str:
    """`text` with the addresses in it cut down to server and path."""
    return _ADDRESS.sub(lambda found: found["scheme"] + found["rest"] + ("?…" if found["query"] else ""), text)


def without_user(url: str) -> str:
    """`url` without the name and password before its server."""
    return re.sub(r"(?<=://)[^\s/?#]*@", "", url, count=1)


def keep_keys_out_of_logs() -> None:
    """Cut down what libraries log of the requests made here, whoever shows the logs. May be called again."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _cut_down not in logger.filters:
            logger.addFilter(_cut_down)


def _cut_down(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_keys(record.getMessage()), ()
    return True
