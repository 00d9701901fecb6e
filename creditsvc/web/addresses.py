"""Where people reach this service. A client's word on it (Host) is shown to that client, and never sealed."""

import re
from urllib.parse import urlsplit

from aiohttp import web

from creditsvc.errors import Malformed, Unavailable
from creditsvc.web import sessions
from creditsvc.web.keys import SETTINGS

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# A name or an address, and a port (RFC 9110, section 7.2, narrowed to what is in use).
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?")
_HIGHEST_PORT = 65_535


def shown(request: web.Request) -> str:
    """Give the address set, or that by which this request came; ``Malformed`` where it names no host."""
    settings = request.app[SETTINGS]
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = sessions.host(request)
    found = _HOST.fullmatch(host)
    if found is None or int(found[1] or 0) > _HIGHEST_PORT:
        raise Malformed("The header Host names no host.")
    return f"{'https' if sessions.is_secure(request) else 'http'}://{host}"


def lasting(request: web.Request) -> str:
    """Give an address that may stand in what is sealed: the one set, or that of this machine itself.

    Else whoever asks would choose it, and the seal would vouch for it: then ``Unavailable``.
    """
    address = shown(request)
    if request.app[SETTINGS].public_url or urlsplit(address).hostname in LOOPBACK:
        return address
    raise Unavailable(
        "Reports are not sealed here: the service has not been told where people reach it. "
        "Whoever runs it sets CREDITSVC_PUBLIC_URL."
    )
