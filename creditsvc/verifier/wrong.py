"""What is wrong with what was given, in words."""


class Wrong(ValueError):  # noqa: N818  it says what is wrong with what was given, not with the program
    """What was given is not what it claims to be; the text names what is wrong, and where."""


class Missing(Wrong):
    """Something cannot be checked for want of something else; the text says of what."""
