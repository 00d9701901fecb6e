"""The command: files in, what they show out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.notes import ED25519, VerifierKey

FILE_CHARACTERS_MAX = 2**29


def printable(text: str) -> str:
    """Make a text safe for a terminal, whoever wrote it."""
    return "".join(character if character.isprintable() else "?" for character in text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check what a creditsvc says of its log, offline.")
    parser.add_argument("--key", type=VerifierKey.parse, help="the log's verifier key, as it is published")
    parser.add_argument("--receipt-key", type=VerifierKey.parse, help="the verifier key for receipts")
    witness = "the verifier key of a witness; may be repeated"
    parser.add_argument("--witness", type=VerifierKey.parse, action="append", default=[], help=witness)
    parser.add_argument("files", nargs="+", metavar="FILE", help="what the service answered, in any order")
    options = parser.parse_args(arguments)
    if options.key is not None and options.key.algorithm != ED25519:
        parser.error("--key is not a log's key; a witness's is given as --witness")
    evidence = Evidence(options.key, options.receipt_key, options.witness)
    for name in options.files:
        try:
            with Path(name).open(encoding="utf-8", newline="") as file:
                evidence.take(name, file.read(FILE_CHARACTERS_MAX))
        except (ValueError, OSError) as error:
            evidence.wrong.append(f"{name}: {error}")
    evidence.check()
    lines = [*evidence.report(), *evidence.faults()]
    lines += [f"{at}: only `creditsvc verify` checks it" for at, _ in evidence.given.get("profile", [])]
    lines.append("something is wrong or missing" if evidence.faults() else "nothing wrong found")
    sys.stdout.write("".join(printable(line) + "\n" for line in lines))
    return 1 if evidence.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
