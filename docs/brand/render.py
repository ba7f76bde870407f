# /// script
# requires-python = ">=3.12,<3.14"  # pyoxipng has no wheel for 3.14 yet
# dependencies = ["pyoxipng==9.1.1", "resvg-py==0.5.0"]
# ///
"""Draw the brand images: `uv run docs/brand/render.py`.

The two drawings beside this file become the eight images that Home Assistant and HACS look for
in the integration's `brand` folder: a square icon of 256 and 512 pixels, a logo of the same
heights, and both again for dark surfaces. Sizes and names are those of Home Assistant's brands
repository; the tests hold them to it.

The wordmark is Inter Display SemiBold (SIL Open Font License), converted to outlines.
"""

from pathlib import Path
import re

import oxipng
import resvg_py

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "custom_components" / "privacy_firewall" / "brand"

LIGHT = {"#16324f": "#16324f", "#f59e0b": "#f59e0b"}
DARK = {"#16324f": "#e9eff6", "#f59e0b": "#fbb034"}
HEIGHTS = {"": 256, "@2x": 512}


def draw(svg: str, height: int, colours: dict[str, str]) -> bytes:
    """One drawing as an interlaced, losslessly packed PNG."""
    for ink, painted in colours.items():
        svg = svg.replace(ink, painted)
    box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    if box is None:
        raise ValueError("the drawing has no viewBox")
    width = round(height * int(box[1]) / int(box[2]))
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height))
    return oxipng.optimize_from_memory(
        png, level=6, interlace=oxipng.Interlacing.Adam7, strip=oxipng.StripChunks.all()
    )


def main() -> None:
    """Draw all eight."""
    TARGET.mkdir(exist_ok=True)
    for drawing in ("icon", "logo"):
        svg = (HERE / f"{drawing}.svg").read_text(encoding="utf-8")
        for prefix, colours in (("", LIGHT), ("dark_", DARK)):
            for suffix, height in HEIGHTS.items():
                path = TARGET / f"{prefix}{drawing}{suffix}.png"
                path.write_bytes(draw(svg, height, colours))
                print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
