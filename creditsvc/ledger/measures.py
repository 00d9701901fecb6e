"""What the ledger counts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

MOST_AGENCIES = 20  # named in metrics: those with most overdue, or else with most open
OTHER = "other"
ALL = "all"  # where metrics name no agency: whoever may scrape them need not know what awaits whom


class Counted(NamedTuple):
    """How many cases of a kind await an agency for a step, and how many of them for too long."""

    agency: str
    kind: str
    step: str
    open: int
    overdue: int


class OpenCases(Collector):
    """What awaits agencies, as counted last: whatever is not there any more leaves no series behind.

    All workers count the same table, so their counts are not added up: whichever is asked tells its own.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], tuple[int, int]] = {}

    def tell(self, counted: Sequence[Counted]) -> None:
        """Take the counts of now."""
        order: dict[str, tuple[int, int]] = {}
        for one in counted:
            overdue, waiting = order.get(one.agency, (0, 0))
            order[one.agency] = (overdue + one.overdue, waiting + one.open)
        named = set(sorted(order, key=lambda agency: (order[agency], agency))[-MOST_AGENCIES:])
        told: dict[tuple[str, str, str], tuple[int, int]] = {}
        for one in counted:
            labels = (one.agency if one.agency in named else OTHER, one.kind, one.step)
            waiting, overdue = told.get(labels, (0, 0))
            told[labels] = (waiting + one.open, overdue + one.overdue)
        self._told = told

    def collect(self) -> Iterator[GaugeMetricFamily]:
        names = ("agency", "kind", "step")
        waiting = GaugeMetricFamily("creditsvc_cases_open", "Cases that await an agency", labels=names)
        overdue = GaugeMetricFamily("creditsvc_cases_overdue", "Of these, past their time", labels=names)
        for labels, (count, late) in sorted(self._told.items()):
            waiting.add_metric(labels, count)
            overdue.add_metric(labels, late)
        yield waiting
        yield overdue


APPEND_SECONDS = Histogram(
    "creditsvc_append_seconds",
    "Time to append one group of events, to the commit",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
APPEND_GROUP_EVENTS = Histogram(
    "creditsvc_append_group_events",
    "Events that shared one transaction",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
REFOLDED = Counter("creditsvc_profiles_refolded", "Profiles that time had outrun, folded again")
EVENTS = Counter("creditsvc_events", "Events received, by outcome", ["outcome"])
SELF_CHECK_FAILURES = Counter(
    "creditsvc_log_self_check_failures", "What the log's own checks found wrong, by which check", ["check"]
)
LOG_PLACED = Counter("creditsvc_log_placed", "Events and notices given a position in the log")
LOG_SIZE = Gauge("creditsvc_log_size", "Entries of the log", multiprocess_mode="mostrecent")
LOG_PENDING = Gauge(
    "creditsvc_log_pending", "Events and notices that wait for the log", multiprocess_mode="mostrecent"
)
LOG_REFUSED = Gauge(
    "creditsvc_log_refused",
    "Entries that the log refuses: altered or back-dated",
    multiprocess_mode="mostrecent",
)
LOG_OLDEST_SECONDS = Gauge(
    "creditsvc_log_oldest_pending_seconds",
    "For how long the oldest event has waited for the log",
    multiprocess_mode="livemax",
)
LOG_SIGNED_AT = Gauge(
    "creditsvc_log_checkpoint_timestamp_seconds",
    "When the last checkpoint was signed, as a POSIX time",
    multiprocess_mode="mostrecent",
)
ACCESSES = Counter("creditsvc_accesses", "Non-public queries written down before they were answered")
ACCESS_SECONDS = Histogram(
    "creditsvc_access_seconds",
    "Time that an answer waited until it was written down who asked, to the commit",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
ACCESS_GROUP = Histogram(
    "creditsvc_access_group",
    "Queries whose writing down shared one commit",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
ACCESSES_FILED = Counter(
    "creditsvc_accesses_filed", "Queries filed under the organisations that they were about"
)
ACCESSES_REMOVED = Counter(
    "creditsvc_accesses_removed", "Entries of who looked that were removed because they were old enough"
)
ERASED = Counter("creditsvc_erased", "Events and notices whose content was erased")
ERASURE_REFUSED = Gauge(
    "creditsvc_erasure_refused",
    "Records that the last sweep refused to erase: its row alone says that its time is over",
    multiprocess_mode="mostrecent",
)
ERASURE_OLDEST_SECONDS = Gauge(
    "creditsvc_erasure_oldest_seconds",
    "For how long the oldest record whose legal life is over has waited to be erased",
    multiprocess_mode="mostrecent",
)
CALENDAR_KNOWN_UNTIL = Gauge(
    "creditsvc_calendar_known_until_timestamp_seconds",
    "Until when the working days of a place are known, as a POSIX time of the day in UTC",
    ["zone"],
    multiprocess_mode="livemin",
)
CLOCKS_RECKONED = Counter("creditsvc_clocks_reckoned", "Clocks of cases reckoned anew by a newer calendar")
STATISTICS_BEHIND = Gauge(
    "creditsvc_statistics_behind",
    "Entries of the log that statistics have not counted yet",
    multiprocess_mode="mostrecent",
)
OPEN_CASES = OpenCases()
REGISTRY.register(OPEN_CASES)
