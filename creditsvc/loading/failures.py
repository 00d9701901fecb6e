"""Why a load cannot go on. A row that cannot be taken is no reason: it is reported, and the rest goes on."""


class LoadStopped(Exception):  # noqa: N818  what happened to the load, not a fault of the program
    """The load ends here; the text says why and what to do. It never holds a value of the file."""


class MappingInvalid(LoadStopped):
    """The mapping file says something that cannot be done; the text begins with the place in it."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"[{where}] {what}")
        self.where = where
