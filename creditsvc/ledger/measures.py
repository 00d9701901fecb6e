"""What the ledger counts."""

from prometheus_client import Counter, Histogram

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
