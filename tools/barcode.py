"""Read QR codes and barcodes of all common kinds on the current picture, with zxing-cpp.

What a code says is data: it is shown, and opened only when the user asks for that. Not covered here: cutting a region
out first; all codes of the picture are read, each with its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import ToolError
from conlora_agent.core.types import Region
from tools.base import ToolModel, ToolResult
from tools.pictures import PictureArgs, PictureTool
from tools.web_page import first_url

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_CODES = 20
SMALL = 600
"""Pictures with a shorter side below this many pixels are also tried enlarged."""


class Code(ToolModel):
    """One code: its `format` such as "QR Code" or "EAN-13", what it says, the address in it if it holds one."""

    format: str
    text: str
    url: str | None = None


class BarcodeValue(ToolModel):
    """The codes found, from top to bottom."""

    codes: tuple[Code, ...]


class Barcode(PictureTool):
    """Codes on a picture."""

    name = "barcode"
    title = "Scan code"
    description = "Scan the QR code or barcode in the picture and tell what it contains: link, number, ISBN, EAN."
    result_model = BarcodeValue

    def run(self, args: PictureArgs) -> ToolResult:
        """Scan. Raises ToolError when no code can be read, UnknownName for a picture that is gone."""
        picture = self._pictures.open(args.image)
        found = read_codes(picture)
        if not found:
            raise ToolError("there is no code I can read in the picture", "send a sharper or closer picture of it")
        codes = tuple(code for code, _ in found)
        text = "\n".join(f"{code.format}: {code.text}" for code in codes)
        regions = tuple(region for _, region in found if region is not None)
        return ToolResult(BarcodeValue(codes=codes).model_dump(mode="json"), text, regions=regions)

    def check(self) -> list[str]:
        """Reads a code it has drawn."""
        import zxingcpp
        from PIL import Image

        drawn = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("ok", zxingcpp.BarcodeFormat.QRCode), scale=4)
        found = read_codes(Image.fromarray(_array(drawn)).convert("RGB"))
        return [] if [code.text for code, _ in found] == ["ok"] else ["the decoder cannot read a code it has drawn"]


def read_codes(picture: Image) -> list[tuple[Code, Region | None]]:
    """The codes on a picture, from top to bottom, each with its place."""
    import zxingcpp
    from PIL import ImageOps

    found, scale, border = zxingcpp.read_barcodes(picture), 1, 0
    if not found and min(picture.size) < SMALL:
        # A code needs a margin and a few pixels a module; crops and thumbnails may have neither.
        scale, border = 3, 40
        enlarged = picture.resize((picture.width * scale, picture.height * scale))
        found = zxingcpp.read_barcodes(ImageOps.expand(enlarged, border, "white"))
    rows = [(_code(code), _region(code, picture.size, scale, border)) for code in found if code.text]
    unique = list({(code.format, code.text): (code, region) for code, region in rows}.values())
    return sorted(unique, key=lambda row: row[1].box[1] if row[1] else 0.0)[:MAX_CODES]


def _code(found: Any) -> Code:
    return Code(format=str(found.format), text=found.text, url=first_url(found.text))


def _region(found: Any, size: tuple[int, int], scale: int, border: int) -> Region | None:
    corners = found.position
    points = [corners.top_left, corners.top_right, corners.bottom_right, corners.bottom_left]
    xs = [min(1.0, max(0.0, (point.x - border) / scale / size[0])) for point in points]
    ys = [min(1.0, max(0.0, (point.y - border) / scale / size[1])) for point in points]
    if min(xs) >= max(xs) or min(ys) >= max(ys):
        return None
    return Region(label=str(found.format), box=(min(xs), min(ys), max(xs), max(ys)))


def _array(image: Any) -> Any:
    import numpy as np

    return np.array(image)
