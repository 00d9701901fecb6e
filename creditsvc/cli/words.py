"""Numbers with their nouns."""


def counted(number: int, noun: str) -> str:
    """Write how many there are of what: "1 fault", "2 faults", "1,000 faults"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
