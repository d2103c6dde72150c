"""The process that decodes one image: an image in, a small WebP out, and nothing else reached.

Run as a program of its own, by its file and without the package: ``child.py SIZE PIXELS_MAX``. It
bounds its memory, its time and what it may open before it looks at the first byte.
"""

import resource
import sys
from io import BytesIO

MEMORY_BYTES_MAX = 768 << 20
CPU_SECONDS_MAX = 10
UNSUPPORTED, INVALID = 3, 4
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_QUALITY = 80
_ORIENTATION = 0x0112


def main(size: int, pixels_max: int) -> int:
    """Read an image from standard input and write a small one; gives the exit status."""
    _limit(resource.RLIMIT_AS, MEMORY_BYTES_MAX)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS_MAX)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _rehearse()
    _limit(resource.RLIMIT_NOFILE, 0)
    from PIL import UnidentifiedImageError

    try:
        made = _small(sys.stdin.buffer.read(), size, pixels_max)
    except UnidentifiedImageError:
        return UNSUPPORTED
    sys.stdout.buffer.write(made)
    return 0


def _small(data: bytes, size: int, pixels_max: int) -> bytes:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # judged here, by one rule
    image = Image.open(BytesIO(data), formats=_FORMATS)
    if image.width * image.height > pixels_max:
        raise ValueError("more pixels than are allowed")
    image.draft("RGB", (size * 2, size * 2))
    ImageOps.exif_transpose(image, in_place=True)
    clear = "A" in image.getbands() or "transparency" in image.info
    small = image.convert("RGBA" if clear else "RGB")
    small.thumbnail((size, size))
    made = BytesIO()
    small.save(made, "WEBP", quality=_QUALITY)
    return made.getvalue()


def _rehearse() -> None:
    """Do it with images of our own first: the library loads parts of itself as they are needed."""
    from PIL import Image

    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in _FORMATS:
        made = BytesIO()
        Image.new("P" if kind == "GIF" else "RGB", (4, 2)).save(made, kind, exif=exif)
        _small(made.getvalue(), 2, 8)


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    try:
        status = main(int(sys.argv[1]), int(sys.argv[2]))
    except Exception:  # noqa: BLE001 - whatever a hostile image brings about is the image's fault
        status = INVALID
    sys.exit(status)
