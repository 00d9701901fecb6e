"""The SQL schema, its migrations, and the catalogue of record types: data that the service reads."""

from pathlib import Path

ROOT = Path(__file__).parent
