"""What the ledger counts."""

from prometheus_client import Counter, Gauge, Histogram

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
