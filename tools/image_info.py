"""Facts about the current picture's file: format, size, and what its EXIF data says of camera, time and place.

Not covered here: what the picture shows.
"""

from __future__ import annotations

import io
import re
from fractions import Fraction
from typing import Any

from pydantic import Field

from conlora_agent.core.errors import ToolError
from tools.base import ToolModel, ToolResult
from tools.pictures import PictureArgs, PictureTool

MAX_VALUE = 200
"""Characters of one EXIF value that are kept."""


class ImageInfoValue(ToolModel):
    """`width` and `height` as the picture is seen, upright; None where the file does not say. `latitude` and
    `longitude` in degrees; `exif`: every readable tag."""

    format: str
    width: int
    height: int
    megapixels: float
    mode: str
    bytes: int
    taken: str | None = None
    camera: str | None = None
    lens: str | None = None
    exposure: str | None = None
    aperture: str | None = None
    iso: int | None = None
    focal_length: str | None = None
    flash: bool | None = None
    software: str | None = None
    artist: str | None = None
    copyright: str | None = None
    dpi: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    exif: dict[str, str] = Field(default_factory=dict)


class ImageInfo(PictureTool):
    """Facts about a picture's file."""

    name = "image_info"
    title = "Picture details"
    description = "Tell the picture's file details: size in pixels, format, EXIF metadata, camera, date taken, GPS."
    result_model = ImageInfoValue

    def run(self, args: PictureArgs) -> ToolResult:
        """Read the file's header. Raises ToolError when it cannot be read, UnknownName for a picture that is gone."""
        value = describe(self._pictures.read(args.image))
        return ToolResult(value.model_dump(mode="json"), _text(value))


def describe(data: bytes) -> ImageInfoValue:
    """What a picture file says of itself. Raises ToolError when it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            tags = _tags(picture)
            width, height = picture.size
            dpi = picture.info.get("dpi")
            kind, mode = picture.format or "unknown", picture.mode
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ... on damaged data
        raise ToolError(f"the picture's header cannot be read ({error})", "save or send it again") from error
    if str(tags.get("Orientation")) in ("5", "6", "7", "8"):
        width, height = height, width
    gps = tags.pop("GPSInfo", None)
    return ImageInfoValue(
        format=kind,
        width=width,
        height=height,
        megapixels=round(width * height / 1e6, 2),
        mode=mode,
        bytes=len(data),
        taken=_taken(tags),
        camera=_camera(tags),
        lens=_said(tags.get("LensModel")),
        exposure=_seconds(tags.get("ExposureTime")),
        aperture=f"f/{float(tags['FNumber']):g}" if _is_number(tags.get("FNumber")) else None,
        iso=int(tags["ISOSpeedRatings"]) if isinstance(tags.get("ISOSpeedRatings"), int) else None,
        focal_length=f"{float(tags['FocalLength']):g} mm" if _is_number(tags.get("FocalLength")) else None,
        flash=bool(tags["Flash"] & 1) if isinstance(tags.get("Flash"), int) else None,
        software=_said(tags.get("Software")),
        artist=_said(tags.get("Artist")),
        copyright=_said(tags.get("Copyright")),
        dpi=round(float(dpi[0]), 1) if dpi else None,
        latitude=_degrees(gps, 1, 2),
        longitude=_degrees(gps, 3, 4),
        exif={name: text for name, value in tags.items() if (text := _said(value))},
    )


def _tags(picture: Any) -> dict[str, Any]:
    """EXIF tags by name, those of the photo and the GPS blocks included; damaged blocks are left out."""
    from PIL import ExifTags

    try:
        exif = picture.getexif()
        found = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # what is damaged says nothing; the size is known all the same
        return {}
    names = {ExifTags.TAGS.get(tag, f"tag {tag}"): value for tag, value in found.items()}
    for pointer in ("ExifOffset", "GPSInfo", "MakerNote", "UserComment"):
        names.pop(pointer, None)
    return names | ({"GPSInfo": gps} if gps else {})


def _said(value: Any) -> str | None:
    """A tag as short plain text."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()[:MAX_VALUE]
    return text if value is not None and text else None


def _taken(tags: dict[str, Any]) -> str | None:
    """The time a photo was taken, written the ISO way: EXIF has colons in the date."""
    text = _said(tags.get("DateTimeOriginal") or tags.get("DateTime"))
    return re.sub(r"^(\d{4}):(\d{2}):(\d{2})", r"\1-\2-\3", text) if text else None


def _camera(tags: dict[str, Any]) -> str | None:
    make, model = _said(tags.get("Make")), _said(tags.get("Model"))
    if make and model and not model.lower().startswith(make.lower().split()[0]):
        return f"{make} {model}"
    return model or make


def _is_number(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError, ZeroDivisionError):
        return False


def _seconds(value: Any) -> str | None:
    if not _is_number(value):
        return None
    seconds = float(value)
    return f"{seconds:g} s" if seconds >= 1 else f"{Fraction(seconds).limit_denominator(10000)} s"


def _degrees(gps: Any, reference: int, position: int) -> float | None:
    """Degrees, minutes and seconds as decimal degrees, south and west negative."""
    try:
        degrees, minutes, seconds = (float(part) for part in gps[position])
        sign = -1 if str(gps[reference]).upper() in ("S", "W") else 1
        value = sign * (degrees + minutes / 60 + seconds / 3600)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return round(value, 6) if abs(value) <= 180 else None


def _text(value: ImageInfoValue) -> str:
    size = f"{value.bytes / 1e6:.1f} MB" if value.bytes >= 1e6 else f"{value.bytes / 1e3:.1f} kB"
    lines = [f"{value.format}, {value.width} x {value.height} pixels ({value.megapixels} megapixels), {size}."]
    if value.taken:
        lines.append(f"Taken {value.taken}.")
    shot = [value.camera, value.lens, value.exposure, value.aperture, f"ISO {value.iso}" if value.iso else None]
    if parts := [part for part in (*shot, value.focal_length) if part]:
        lines.append(f"{', '.join(parts)}.")
    if value.latitude is not None and value.longitude is not None:
        lines.append(f"GPS: {value.latitude}, {value.longitude}.")
    credits = [("software", value.software), ("artist", value.artist), ("copyright", value.copyright)]
    lines += [f"{name.capitalize()}: {text}." for name, text in credits if text]
    if not value.exif:
        lines.append("The file has no EXIF data.")
    return " ".join(lines)
