"""The electronic seal on a report: a PAdES signature, level B-B (ETSI EN 319 142-1), by pyHanko.

It covers the whole file and allows no change to it (a certification with DocMDP 1, ISO 32000-2, 12.8.2.2). It
says who sealed, and that nothing was altered since; its time is the service's own word, for there is no
time-stamping authority. What is seen of it on the first page is part of the signature field.
"""

import io
from datetime import UTC, datetime

from pyhanko.pdf_utils.content import PdfContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_cms import SimpleSigner
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.stamp import StaticStampStyle

from creditsvc.report.certificates import Certificate, still_good

FIELD = "Seal"
_MIDDLE = SimpleBoxLayoutRule(x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID)


class Sealer:
    """Seals one report after the other with one certificate. Any thread without an event loop may ask."""

    def __init__(self, certificate: Certificate, drawn: bytes, box: tuple[int, int, int, int]) -> None:
        """Take the certificate, what the seal looks like (a PDF of one page), and its place, in points."""
        self._certificate = certificate
        self._drawn = drawn
        self._box = box
        self._signer = SimpleSigner.load_pkcs12_data(certificate.archive, [], certificate.passphrase)

    def seal(self, pdf: bytes) -> bytes:
        """Seal a PDF; raises ``SealRefused`` once the certificate's time is over."""
        still_good(self._certificate, datetime.now(UTC))
        name = self._certificate.name
        signer = PdfSigner(
            PdfSignatureMetadata(
                field_name=FIELD,
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
                certify=True,
                docmdp_permissions=MDPPerm.NO_CHANGES,
                name=name.subject,
            ),
            self._signer,
            stamp_style=StaticStampStyle(
                background=_Drawn(self._drawn), background_layout=_MIDDLE, border_width=0
            ),
            new_field_spec=SigFieldSpec(FIELD, box=self._box, readable_field_name=name.subject),
        )
        sealed: bytes = signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf))).getvalue()
        return sealed


class _Drawn(PdfContent):
    """A page of another PDF, shown as it is."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self._page = page

    def render(self) -> bytes:
        shown = self._ensure_writer.import_page_as_xobject(PdfFileReader(io.BytesIO(self._page)))
        self.resources.xobject["/Drawn"] = shown
        left, bottom, right, top = shown.get_object()["/BBox"]
        self.box = BoxConstraints(width=abs(right - left), height=abs(top - bottom))
        return b"/Drawn Do"
