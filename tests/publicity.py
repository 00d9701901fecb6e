"""What tests of publicity share: records as recorded at a known instant, and days said by themselves."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from creditsvc.domain.records import Entry, fold
from tests.making import CATALOGUE, ENTITY, event

TICK = timedelta(microseconds=1)
CHINA, FRANCE = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Paris")
PUBLISHED = datetime(2026, 11, 20, 15, 59, 59, 999999, tzinfo=ZoneInfo("UTC"))  # the 20th for a tick more
MARKET = {"authority": {"name": "示例市市场监督管理局"}}
OTHER = {"authority": {"name": "示例市生态环境局"}}
RULE_SETS = CATALOGUE.publicity["penalty-term"].rule_sets


def record_of(*events, published=PUBLISHED):
    entries = [
        Entry(n, published + (n - 1) * TICK, one.source, one.id, one.type, one.time, one.record, one.data)
        for n, one in enumerate(events, start=1)
    ]
    return fold(entries, CATALOGUE)


def penalty_of(severity, decided_on, entity=ENTITY, published=PUBLISHED, **data):
    one = event("penalty.imposed", "P1", subject=entity, severity=severity, decided_on=decided_on, **data)
    return record_of(one, published=published)


def midnight(day, zone=CHINA):
    """The first instant of a day, said without the code that is tested."""
    return datetime(*map(int, day.split("-")), tzinfo=zone)
