"""What a service answers, before anybody trusts it: another may stand at its address."""

NOT_CREDITSVC = "what answers there is not a creditsvc"
REDIRECTED = "the service answers with a redirect, which is not followed: is --url its own address?"


def printable(value: object) -> str:
    """Leave out what could steer a terminal, whoever wrote it."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in str(value))


def is_redirect(status: int) -> bool:
    """Whether a status sends elsewhere; a key and events go to the address given, and nowhere else."""
    return 300 <= status < 400
