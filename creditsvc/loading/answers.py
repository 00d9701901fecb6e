"""What a service answers, before anybody trusts it: another may stand at its address."""

NOT_CREDITSVC = "what answers there is not a creditsvc"


def printable(value: object) -> str:
    """Leave out what could steer a terminal, whoever wrote it."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in str(value))
