"""The seed of what tests do at random: the same in every run, until a campaign gives others."""

import os

SEED = int(os.environ.get("CAMPAIGN_SEED", "1"))
SEEDS = [SEED * 1000 + n for n in range(3)]  # a test's parameters, so that its name says the seed
