"""Settings are read or refused at the start, in words that name the variable."""

from pathlib import Path

import pytest

from creditsvc.settings import Settings


def test_what_is_unset_or_empty_has_its_default():
    assert Settings.from_environment({"CREDITSVC_PORT": ""}) == Settings()


def test_every_kind_is_read():
    environment = {
        "CREDITSVC_PORT": "0",
        "CREDITSVC_WORKERS": "0",
        "CREDITSVC_DATA_DIR": "/srv/credit",
        "CREDITSVC_BODY_TIMEOUT_S": "0.5",
        "CREDITSVC_TRUST_FORWARDED": "Yes",
    }
    assert Settings.from_environment(environment) == Settings(
        port=0, workers=0, data_dir=Path("/srv/credit"), body_timeout_s=0.5, trust_forwarded=True
    )


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("PORT", "abc", "a whole number from 0 to 65535"),
        ("PORT", "80808", "a whole number from 0 to 65535"),
        ("PORT", "-1", "a whole number from 0 to 65535"),
        ("WORKERS", "-1", "a whole number, 0 or more"),
        ("WORKERS", "1.5", "a whole number, 0 or more"),
        ("BATCH_MAX_EVENTS", "0", "a whole number above 0"),
        ("PARTNER_PER_MINUTE", "-5", "a whole number above 0"),
        ("BODY_TIMEOUT_S", "0", "a number above 0"),
        ("BODY_TIMEOUT_S", "nan", "a number above 0"),
        ("BODY_TIMEOUT_S", "inf", "a number above 0"),
        ("ACCESS_KEPT_YEARS", "4", "a whole number, 5 or more"),
        ("ACCESS_KEPT_YEARS", "-1", "a whole number, 5 or more"),
        ("TRUST_FORWARDED", "maybe", "true or false"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(name, text, wanted):
    with pytest.raises(ValueError, match=f"^CREDITSVC_{name} must be {wanted}$"):
        Settings.from_environment({f"CREDITSVC_{name}": text})
