"""Where the fonts are that Chinese is set in: those of the system, without asking fontconfig."""

import functools
from collections.abc import Iterator
from pathlib import Path

import typst

from creditsvc.errors import NotInstalled

NEEDED = "Noto Sans CJK SC"  # Debian's fonts-noto-cjk; it brings the serif and the monospaced one too
USUAL = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("~/.local/share/fonts"),
    Path("~/.fonts"),
)
_FILES = "Noto*CJK*"


def find(fonts_dir: str = "") -> typst.Fonts:
    """Give the fonts of reports: from one directory, or from those where systems have them.

    Raises ``NotInstalled``, which says what to install, where there is no Chinese font.
    """
    return _find(tuple(_directories(fonts_dir)), fonts_dir)


@functools.cache
def _find(directories: tuple[Path, ...], fonts_dir: str) -> typst.Fonts:
    # Only what is found here: a report must not look otherwise for a font that somebody installed.
    found = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=list(directories)
    )
    if not directories or NEEDED not in found.families():
        where = f" in CREDITSVC_FONTS_DIR ({fonts_dir})" if fonts_dir else ""
        raise NotInstalled(
            f"There is no font for Chinese{where}: {NEEDED}. Install it (Debian, Ubuntu: "
            "apt-get install fonts-noto-cjk), or name the directory that has it in CREDITSVC_FONTS_DIR."
        )
    return found


def _directories(fonts_dir: str) -> Iterator[Path]:
    """List the directories that hold files of the font, sorted, so that the search always ends alike."""
    roots = (Path(fonts_dir),) if fonts_dir else tuple(path.expanduser() for path in USUAL)
    yield from sorted({file.parent for root in roots for file in root.rglob(_FILES)})
