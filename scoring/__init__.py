"""Scoring models as data, and the pure engine that runs them."""
