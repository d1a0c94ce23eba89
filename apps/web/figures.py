"""Pictures as HTML: the picture with its boxes laid over it, to hover, to click, to mark a region on (page.js).

Not covered here: boxes drawn into the pixels, for terminals and files (apps.boxes).
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from apps.boxes import PALETTE, caption
from apps.render import region_lines
from apps.web.markup import attributes, plain
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import Box, Region

if TYPE_CHECKING:
    from PIL.Image import Image

    from conlora_agent.memory.pictures import PictureStore

SHOWN_SIDE = 1600
"""Pixels of the longer side of a picture as it is shown; larger ones are scaled down."""
THUMB_SIDE = 160
TOP = 0.08
"""A box that begins above this has its label inside, where there is room."""


@dataclass(frozen=True)
class File:
    """A picture in the folder that the page's server may give out. Sides in pixels."""

    path: str
    width: int
    height: int

    @property
    def url(self) -> str:
        """Relative to the page, so that it holds wherever the page is mounted."""
        return f"gradio_api/file={quote(self.path)}"


class Figures:
    """Makes figures of stored pictures. The files are made once and again when the server has cleared them away."""

    def __init__(self, pictures: PictureStore) -> None:
        self._pictures = pictures
        self._files: dict[tuple[str, int], File] = {}
        self._lock = threading.Lock()
        pictures.on_removed(self._forget)

    def figure(self, key: str, boxes: Sequence[Region] = (), *, marked: Box | None = None) -> str:
        """A picture with boxes, and the region that the user marked; a word in its place when it is gone."""
        try:
            file = self._file(key, SHOWN_SIDE)
        except ConloraError as error:
            return f"<p>{plain(f'(picture {key[:12]}: {error.problem})')}</p>"
        found = "; ".join(region_lines(boxes))
        image = attributes(
            src=file.url, width=file.width, height=file.height, alt=f"picture with {found}" if found else "picture"
        )
        marks = "".join(_mark(region, _ink(0 if region.line else position)) for position, region in enumerate(boxes))
        if marked is not None:
            marks += f'<span class="marked" style="{_place(marked)}"></span>'
        return f'<figure class="seen" data-picture="{key}"><img {image} draggable="false">{marks}</figure>'

    def thumbnail(self, key: str, number: int, *, current: bool) -> str:
        """A small picture that makes itself current when it is clicked; the current one opens large."""
        label, large = f"picture {number}", None
        try:
            image, large = f'<img alt="" src="{self._file(key, THUMB_SIDE).url}">', self._file(key, SHOWN_SIDE).url
        except ConloraError:
            image = str(number)
        what = "current, click to open" if current else "click to look at it"
        shown = attributes(
            class_="thumb current" if current else "thumb",
            data_picture=key,
            data_large=large,
            data_do="view" if current else "look",
            aria_pressed="true" if current else "false",
            aria_label=f"{label} ({what})",
            title=f"{label} ({what})",
        )
        return f'<button type="button" {shown}>{image}</button>'

    def _forget(self, keys: Sequence[str]) -> None:
        """Remove the files of pictures that are gone."""
        with self._lock:
            for one in [one for one in self._files if one[0] in keys]:
                Path(self._files.pop(one).path).unlink(missing_ok=True)

    def _file(self, key: str, side: int) -> File:
        """Raises UnknownName, StorageError."""
        with self._lock:
            known = self._files.get((key, side))
            if known is None or not Path(known.path).exists():
                known = self._files[key, side] = served(self._pictures.open(key), side)
            return known


def served(picture: Image, side: int) -> File:
    """A file of the picture, its longer side at most `side` pixels, where Gradio gives files out and clears them up."""
    from gradio.processing_utils import save_pil_to_cache
    from gradio.utils import get_upload_folder

    picture.thumbnail((side, side))
    path: Any = save_pil_to_cache(picture, get_upload_folder(), name="picture", format="webp")
    return File(str(path), *picture.size)


def inline(path: Path) -> str:
    """A thumbnail of a picture on disk as a data URL."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((THUMB_SIDE, THUMB_SIDE))
        picture.convert("RGB").save(buffer, "WEBP")
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _mark(region: Region, ink: str) -> str:
    words = caption(region)
    inside = "inside" if region.box[1] < TOP else ""
    right = "right" if region.box[0] > 0.6 else ""
    line = "line" if region.line else ""
    given = attributes(
        class_=f"mark {inside} {right} {line}",
        style=f"{_place(region.box)};--ink:{ink}",
        data_do="mark",
        data_box=",".join(f"{edge:.4f}" for edge in region.box),
        aria_label=f"{words or 'region'}: ask about it",
    )
    return f'<button type="button" {given}><span>{plain(words)}</span></button>'


def _place(box: Box) -> str:
    x0, y0, x1, y1 = (100 * edge for edge in box)
    return f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"


def _ink(position: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*PALETTE[position % len(PALETTE)])
