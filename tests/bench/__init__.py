"""How fast the service is beside its peers, in one run: ``make bench``."""
