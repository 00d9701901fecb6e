"""The seed of what tests do at random: the same in every run, until a campaign gives others."""

import os

CAMPAIGN = "CAMPAIGN_SEED" in os.environ  # tests that take minutes run in campaigns only
SEED = int(os.environ.get("CAMPAIGN_SEED", "1"))
SEEDS = [SEED * 1000 + n for n in range(20 if CAMPAIGN else 2)]  # parameters, so that names say the seed
