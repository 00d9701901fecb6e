"""The code to photograph: a QR code (ISO/IEC 18004) that leads to where the report is checked."""

import functools
import io

import segno


@functools.lru_cache(maxsize=256)  # half of what a report costs; its number stands until something changes
def svg(link: str) -> str:
    """Draw a link as SVG, without a margin; a tenth of it may be unreadable."""
    drawn = io.BytesIO()
    segno.make(link, error="m", micro=False, boost_error=False).save(
        drawn, kind="svg", border=0, xmldecl=False, nl=False, dark="#1d2433", omitsize=True
    )
    return drawn.getvalue().decode()
