"""Where a report comes out, sealed: the one place that needs the extra ``report`` (typst, pyHanko, segno)."""

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from creditsvc.errors import NotInstalled
from creditsvc.report import certificates
from creditsvc.report.content import SealName
from creditsvc.report.document import Report
from creditsvc.settings import Settings

if TYPE_CHECKING:
    from creditsvc.report.seal import Sealer
    from creditsvc.report.typesetting import Typesetter

PACKAGES = ("typst", "pyhanko", "segno")
# Inside the seal; the same in every language, for one seal is drawn for all.
_OF_TEST = ("测试印章", "TEST SEAL", "NO LEGAL EFFECT")
_OF_ALL = ("电子印章", "ELECTRONIC SEAL")


class Press:
    """Makes sealed PDFs. Nothing is loaded before the first, and one is made at a time.

    It keeps a processor busy for some hundredths of a second: call it from a thread that has no event loop.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loading = threading.Lock()
        self._loaded: tuple[Typesetter, Sealer] | None = None
        self._certificate: certificates.Certificate | None = None

    def seal_name(self) -> SealName:
        """Say whose seal reports carry, which they tell; raises ``SealRefused``. Needs no extra."""
        return self._sealing().name

    def pdf(self, report: Report) -> bytes:
        """Set and seal a report; raises ``NotInstalled`` and ``SealRefused``."""
        typesetter, sealer = self._load()
        return sealer.seal(typesetter.report(report))

    def _sealing(self) -> certificates.Certificate:
        if self._certificate is None:
            self._certificate = certificates.certificate(self._settings)
        return self._certificate

    def _load(self) -> tuple["Typesetter", "Sealer"]:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._make()
            return self._loaded

    def _make(self) -> tuple["Typesetter", "Sealer"]:
        if missing := [name for name in PACKAGES if find_spec(name) is None]:
            raise NotInstalled(
                f"Reports as PDF need {', '.join(missing)}: install the service with the extra report "
                "(pip install 'creditsvc[report]')."
            )
        # Not above: these need the extra.
        from creditsvc.report.seal import Sealer  # noqa: PLC0415
        from creditsvc.report.typesetting import Typesetter, seal_box  # noqa: PLC0415

        typesetter, given = Typesetter(self._settings.fonts_dir), self._sealing()
        drawn = typesetter.seal(given.name.subject, _OF_TEST if given.name.test else _OF_ALL)
        return typesetter, Sealer(given, drawn, seal_box())
