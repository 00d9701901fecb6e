"""As whom the embedded server runs."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from creditsvc.store.embedded.failure import ServerFailed

# Whom root drops to when neither the setting nor existing data says otherwise: the first that exists.
_CANDIDATES = ("postgres", "creditsvc", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether a process must change its user to become this one."""
        return self.uid != os.geteuid()


def current() -> Account:
    """Return who runs this process; ``ServerFailed`` when the user has no name, which PostgreSQL needs."""
    uid = os.geteuid()
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise ServerFailed(
            f"The user {uid} has no entry in the password database, which PostgreSQL needs to know who "
            "connects. Add one, or set CREDITSVC_DATABASE_URL to a PostgreSQL of your own."
        ) from None


def for_server(wanted: str, cluster: Path) -> Account:
    """As whom the server with its data in ``cluster`` runs.

    An ordinary user runs it as himself. Root drops to ``wanted``, else to the owner of the data that is there
    already, else to the first candidate that exists. Raises ``ServerFailed`` when that cannot be.
    """
    me = current()
    owner = _owner(cluster)
    if me.uid != 0:
        if owner is not None and owner.uid != me.uid:
            raise ServerFailed(
                f"{cluster} belongs to the user {owner.name}: run the service as that user or as root."
            )
        return me
    account = _named(wanted) if wanted else owner or _first_candidate()
    if account.uid == 0:
        raise ServerFailed(
            "PostgreSQL refuses to run as root: set CREDITSVC_EMBEDDED_USER to another user"
            + (f" and give {cluster} to that user." if owner else ".")
        )
    if owner is not None and owner.uid != account.uid:
        raise ServerFailed(
            f"{cluster} belongs to the user {owner.name}, not to {account.name}, "
            "whom CREDITSVC_EMBEDDED_USER names."
        )
    return account


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _named(name: str) -> Account:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        raise ServerFailed(f"CREDITSVC_EMBEDDED_USER names {name}, and there is no such user.") from None


def _owner(cluster: Path) -> Account | None:
    try:
        uid = cluster.lstat().st_uid
    except FileNotFoundError:
        return None
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise ServerFailed(
            f"{cluster} belongs to the user {uid}, who is not in the password database."
        ) from None


def _first_candidate() -> Account:
    for name in _CANDIDATES:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise ServerFailed(
        "Set CREDITSVC_EMBEDDED_USER: PostgreSQL refuses to run as root, and there is nobody else."
    )
