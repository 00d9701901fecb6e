"""The calendars that are kept, and what the log says where there is none."""

import logging
import sys

import pytest

from creditsvc.domain.identifiers import SCHEMES
from creditsvc.ledger import calendars


@pytest.fixture
def without(monkeypatch):
    """The extra is not installed."""
    monkeypatch.setitem(sys.modules, "chinese_calendar", None)
    calendars.kept.cache_clear()
    yield
    calendars.kept.cache_clear()


def test_the_chinese_one_is_kept_for_the_zone_of_chinese_authorities():
    assert set(calendars.kept()) == {calendars.CHINA} == {SCHEMES["uscc"].zone}


def test_the_log_says_until_when_it_is_known(caplog):
    with caplog.at_level(logging.INFO):
        calendars.tell_at_start()
    (record,) = caplog.records
    until = calendars.kept()[calendars.CHINA].known_until.isoformat()
    assert record.fields == {"zone": "Asia/Shanghai", "known_until": until}


def test_without_it_nothing_fails_and_the_log_says_so(without, caplog):
    assert calendars.kept() == {}
    calendars.tell_at_start()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Monday to Friday" in record.getMessage()
