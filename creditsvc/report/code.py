"""The code to photograph: a QR code (ISO/IEC 18004) that leads to where the report is checked."""

import functools
import io

import segno


@functools.lru_cache(maxsize=256)  # a report's number stands until something changes
def svg(link: str) -> str:
    """Draw a link as SVG, without a margin; a tenth of it may be unreadable.

    One mask for all, which readers are told by the code: trying all eight takes four
    times as long as drawing one.
    """
    drawn = io.BytesIO()
    segno.make(link, error="m", micro=False, boost_error=False, mask=3).save(
        drawn, kind="svg", border=0, xmldecl=False, nl=False, dark="#1d2433", omitsize=True
    )
    return drawn.getvalue().decode()
