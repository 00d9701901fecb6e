"""The seal on a report, checked by pyHanko's own validator: who sealed, and that nothing was altered."""

import io
import re
import sys
from datetime import UTC, datetime

import pytest
from asn1crypto.x509 import Certificate as Issued
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.generic import NumberObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from creditsvc.errors import NotInstalled
from creditsvc.report import press
from creditsvc.report.certificates import SealRefused, certificate, make_test_archive
from creditsvc.report.press import Press
from creditsvc.report.seal import FIELD
from creditsvc.report.typesetting import seal_box
from creditsvc.settings import Settings
from tests.reports import report, text_of


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings(data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def sealed(settings):
    made = Press(settings)
    return made.pdf(report("zh", seal=made.seal_name()))


def trusting(settings):
    root = certificate(settings).certificate.public_bytes(Encoding.DER)
    return ValidationContext(trust_roots=[Issued.load(root)], allow_fetching=False)


def checked(pdf, trust):
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    return validate_pdf_signature(signature, trust)


def test_the_seal_holds_covers_the_whole_and_is_trusted_under_its_root(settings, sealed):
    status = checked(sealed, trusting(settings))
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.modification_level is ModificationLevel.NONE
    assert status.bottom_line
    assert "TEST SEAL" in status.signing_cert.subject.human_friendly


def test_it_is_pades_and_allows_no_change(sealed):
    (signature,) = PdfFileReader(io.BytesIO(sealed)).embedded_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert signature.field_name == FIELD
    assert signature.docmdp_level is MDPPerm.NO_CHANGES
    attributes = {one["type"].native for one in signature.signer_info["signed_attrs"]}
    assert "signing_certificate_v2" in attributes
    assert "signing_time" not in attributes  # EN 319 142-1: its time stands in the signature dictionary


def test_nobody_else_is_trusted(sealed, tmp_path):
    status = checked(sealed, trusting(Settings(data_dir=tmp_path)))
    assert (status.intact, status.valid, status.trusted) == (True, True, False)


def test_a_flipped_byte_is_found_wherever_it_is(settings, sealed):
    trust, ranges = trusting(settings), PdfFileReader(io.BytesIO(sealed)).embedded_signatures[0].byte_range
    first, second = ranges[1], ranges[2]
    stream = sealed.index(b"stream") + 20
    for place in (9, stream, first // 2, second + (len(sealed) - second) // 2):
        altered = bytearray(sealed)
        altered[place] ^= 1
        try:
            status = checked(bytes(altered), trust)
        except Exception as error:  # noqa: BLE001  what is no PDF any more is found, too
            assert type(error).__module__.startswith("pyhanko")  # noqa: PT017
        else:
            assert not status.bottom_line
            assert not status.intact


def test_what_is_added_behind_it_is_found(settings, sealed):
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Rotate"] = NumberObject(180)
    writer.mark_update(page.container_ref)
    added = io.BytesIO()
    writer.write(added)
    status = checked(added.getvalue(), trusting(settings))
    assert status.coverage is not SignatureCoverageLevel.ENTIRE_FILE
    assert not status.bottom_line


def test_it_is_seen_on_the_first_page_and_says_that_it_is_a_test(sealed):
    reader = PdfFileReader(io.BytesIO(sealed))
    page = reader.root["/Pages"]["/Kids"][0]
    (field,) = [one.get_object() for one in page["/Annots"] if one.get_object()["/Subtype"] == "/Widget"]
    assert tuple(round(float(one)) for one in field["/Rect"]) == seal_box()
    assert field["/F"] & 4  # printed
    drawn = text_of(sealed, "-l", "1")
    assert "测试印章" in drawn
    assert "NO LEGAL EFFECT" in drawn
    ring = re.sub(r"\s", "", drawn)
    assert all(letter in ring for letter in "信用报告测试印章")


def test_what_the_report_says_is_still_there_and_archival(sealed):
    assert "榕市监罚〔2026〕301号" in text_of(sealed)
    metadata = PdfFileReader(io.BytesIO(sealed)).root["/Metadata"].data
    assert re.search(rb'pdfaid:part="2" pdfaid:conformance="A"', metadata)


def test_an_operator_s_own_seal_is_no_test(tmp_path):
    (tmp_path / "own.p12").write_bytes(make_test_archive(passphrase=b"secret"))
    (tmp_path / "passphrase").write_text("secret\n", encoding="ascii")
    settings = Settings(
        data_dir=tmp_path,
        seal_file=str(tmp_path / "own.p12"),
        seal_passphrase_file=str(tmp_path / "passphrase"),
    )
    made = Press(settings)
    pdf = made.pdf(report("en", seal=made.seal_name()))
    assert checked(pdf, trusting(settings)).bottom_line
    first = text_of(pdf, "-l", "1")
    assert "ELECTRONIC SEAL" in first
    assert "NO LEGAL EFFECT" not in first
    assert {path.name for path in tmp_path.iterdir()} == {"own.p12", "passphrase"}


def test_nothing_is_sealed_with_what_is_over(tmp_path):
    (tmp_path / "own.p12").write_bytes(make_test_archive(datetime(2010, 1, 1, tzinfo=UTC)))
    made = Press(Settings(data_dir=tmp_path, seal_file=str(tmp_path / "own.p12")))
    with pytest.raises(SealRefused, match="holds from 2009-12-31 to 2019-12-29"):
        made.pdf(report("en"))


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(press, "find_spec", lambda name: None if name == "typst" else sys)
    with pytest.raises(NotInstalled, match=r"need typst: install the service with the extra report"):
        Press(Settings(data_dir=tmp_path)).pdf(report("en"))
