"""creditsvc: the credit record of organisations, kept traceably and answered fast."""

__version__ = "0.1.0"
