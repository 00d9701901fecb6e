"""With what reports are sealed: a certificate and its key from a file of the operator's, or one for tests.

The test certificate is made when it is first needed and kept in the data directory. It is its own root, says
in its subject that it is a test, and nothing that it seals has any legal effect.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    load_key_and_certificates,
    serialize_key_and_certificates,
)
from cryptography.x509.oid import NameOID

from creditsvc.errors import Refusal
from creditsvc.report.content import SealName
from creditsvc.report.kept import DIRECTORY, kept
from creditsvc.settings import Settings

TEST_SUBJECT = "信用报告测试印章 TEST SEAL"
_TEST_UNIT = "Test only, no legal effect"
_TEST_YEARS = 10
_DAY = timedelta(days=1)
TEST_FILE = "test-seal.p12"


class SealRefused(Refusal):
    """The certificate to seal with cannot be used; the detail says what to do."""

    slug, status, title = "seal-refused", 500, "Reports cannot be sealed so"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A PKCS #12 archive (RFC 7292), opened: who seals, and until when."""

    archive: bytes = field(repr=False)
    passphrase: bytes | None = field(repr=False)
    name: SealName
    certificate: x509.Certificate


def certificate(settings: Settings) -> Certificate:
    """Give what to seal with; raises ``SealRefused`` where it cannot be read or its time is over."""
    if not settings.seal_file:
        return _opened(_test_archive(settings.data_dir), None, test=True)
    passphrase = None
    try:
        archive = Path(settings.seal_file).read_bytes()
        if settings.seal_passphrase_file:
            passphrase = Path(settings.seal_passphrase_file).read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise SealRefused(
            f"{error.filename} cannot be read ({error.strerror}): CREDITSVC_SEAL_FILE names a PKCS #12 file, "
            "CREDITSVC_SEAL_PASSPHRASE_FILE one that holds its passphrase."
        ) from error
    return _opened(archive, passphrase, test=False)


def _opened(archive: bytes, passphrase: bytes | None, *, test: bool) -> Certificate:
    try:
        key, found, _ = load_key_and_certificates(archive, passphrase)
    except (ValueError, TypeError) as error:
        raise SealRefused(
            "What CREDITSVC_SEAL_FILE names is no PKCS #12 file, or its passphrase is another."
        ) from error
    if key is None or found is None:
        raise SealRefused("The PKCS #12 file to seal with lacks the certificate or its private key.")
    return Certificate(archive, passphrase, SealName(_subject(found), test), found)


def still_good(given: Certificate, now: datetime) -> None:
    """Raise ``SealRefused`` outside the time for which the certificate was issued."""
    issued = given.certificate
    if not issued.not_valid_before_utc <= now <= issued.not_valid_after_utc:
        raise SealRefused(
            f"The certificate to seal with holds from {issued.not_valid_before_utc:%Y-%m-%d} to "
            f"{issued.not_valid_after_utc:%Y-%m-%d}: name a newer one in CREDITSVC_SEAL_FILE"
            + (f", or delete {DIRECTORY}/{TEST_FILE} from the data directory." if given.name.test else ".")
        )


def _subject(found: x509.Certificate) -> str:
    """Say whose certificate it is: the organisation, or the common name where none is told."""
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in found.subject.get_attributes_for_oid(kind):
            return str(attribute.value)
    return found.subject.rfc4514_string()


def _test_archive(data_dir: Path) -> bytes:
    path = data_dir / DIRECTORY / TEST_FILE
    return path.read_bytes() if path.exists() else kept(path, make_test_archive())


def make_test_archive(now: datetime | None = None, passphrase: bytes | None = None) -> bytes:
    """Make a certificate that is its own root, with its key, for ten years from a day before ``now``."""
    key = ec.generate_private_key(ec.SECP256R1())
    begins = (now or datetime.now(UTC)) - _DAY
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, TEST_SUBJECT),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _TEST_UNIT),
            x509.NameAttribute(NameOID.COMMON_NAME, "creditsvc test seal"),
        ]
    )
    usage = dict.fromkeys(
        (
            *("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _TEST_YEARS * 365 * _DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    lock = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return serialize_key_and_certificates(b"seal", key, made, None, lock)
