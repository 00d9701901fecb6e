"""What reports are sealed with is kept to its owner, and what cannot be used is refused in words."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.errors import Internal
from creditsvc.report.certificates import SealRefused, certificate, make_test_archive, still_good
from creditsvc.report.kept import kept, number_key
from creditsvc.settings import Settings


def test_without_a_file_a_test_certificate_is_made_once_and_says_what_it_is(tmp_path):
    settings = Settings(data_dir=tmp_path)
    one, other = certificate(settings), certificate(settings)
    assert one.archive == other.archive
    assert one.name.test
    assert "测试印章 TEST SEAL" in one.name.subject
    assert "no legal effect" in one.certificate.subject.rfc4514_string()
    (file,) = (tmp_path / "report").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_key_of_numbers_is_made_once(tmp_path):
    settings = Settings(data_dir=tmp_path)
    key = number_key(settings)
    assert number_key(settings) == key
    assert len(key) == 32
    file = tmp_path / "report/number.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(key[:31])
    with pytest.raises(Internal, match="cut short"):
        number_key(settings)


def test_workers_that_begin_together_keep_the_same(tmp_path):
    path = tmp_path / "report/secret"
    with ThreadPoolExecutor(8) as workers:
        found = {*workers.map(lambda n: kept(path, b"%d" % n * 999), range(64))}
    assert found == {path.read_bytes()}
    assert [*path.parent.iterdir()] == [path]


def own(tmp_path, archive, passphrase=None):
    (tmp_path / "seal.p12").write_bytes(archive)
    settings = {"data_dir": tmp_path, "seal_file": str(tmp_path / "seal.p12")}
    if passphrase is not None:
        (tmp_path / "passphrase").write_bytes(passphrase)
        settings["seal_passphrase_file"] = str(tmp_path / "passphrase")
    return Settings(**settings)


def test_an_operator_s_own_is_taken_with_its_passphrase(tmp_path):
    settings = own(tmp_path, make_test_archive(passphrase=b"secret"), b"secret\n")
    assert not certificate(settings).name.test
    assert b"secret" not in repr(certificate(settings)).encode()
    assert "archive" not in repr(certificate(settings))


@pytest.mark.parametrize(
    ("archive", "passphrase", "words"),
    [
        (make_test_archive(passphrase=b"secret"), b"other", "its passphrase is another"),
        (make_test_archive(passphrase=b"secret"), None, "its passphrase is another"),
        (b"no archive", None, "no PKCS #12 file"),
    ],
)
def test_what_cannot_be_opened_is_refused(tmp_path, archive, passphrase, words):
    with pytest.raises(SealRefused, match=words) as refused:
        certificate(own(tmp_path, archive, passphrase))
    assert "secret" not in refused.value.detail
    assert "other" not in refused.value.detail.replace("another", "")


@pytest.mark.parametrize("name", ["seal_file", "seal_passphrase_file"])
def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path, name):
    settings = own(tmp_path, make_test_archive())
    missing = Settings(**{"seal_file": settings.seal_file, name: str(tmp_path / "gone")})
    with pytest.raises(SealRefused, match=r"gone cannot be read .*CREDITSVC_SEAL_FILE"):
        certificate(missing)


def test_a_certificate_is_good_for_its_time_alone(tmp_path):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    given = certificate(own(tmp_path, make_test_archive(now)))
    still_good(given, now)
    for then in (now - timedelta(days=2), now + timedelta(days=3650)):
        with pytest.raises(SealRefused, match="from 2026-11-22 to 2036-11-19: name a newer one"):
            still_good(given, then)
