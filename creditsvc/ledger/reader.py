"""The read side: everything that answers, put together."""

from creditsvc.domain.naming import View
from creditsvc.domain.standing import Rules
from creditsvc.ledger.batches import Batches
from creditsvc.ledger.folds import SQL
from creditsvc.ledger.lookups import Lookups
from creditsvc.ledger.moments import Moments
from creditsvc.ledger.pages import Pages
from creditsvc.ledger.refolder import Refolder
from creditsvc.ledger.search import Search
from creditsvc.ledger.stretches import Stretches
from creditsvc.store.database import Pool


class Reader:
    """Answers look-ups, lists and searches; has stale profiles folded again by the refolder."""

    def __init__(self, pool: Pool, refolder: Refolder, rules: Rules) -> None:
        share = max(1, pool.get_max_size() // 2)  # look-ups leave connections to the other reads
        lookups: dict[View, Lookups] = {
            "public": Lookups(pool, SQL.public_profiles, schedule=rules.schedule, connections=share),
            "shared": Lookups(pool, SQL.shared_profiles, schedule=rules.schedule, connections=share),
        }
        self.public_profiles = lookups["public"]
        self.moments = Moments(pool, lookups, refolder.refold, rules)
        self.batches = Batches(pool, self.moments, rules, connections=share)
        self.pages = Pages(pool, self.moments.folds, rules)
        self.stretches = Stretches(pool, self.moments.folds, rules)
        self.search = Search(pool, self.moments, rules.schedule)
