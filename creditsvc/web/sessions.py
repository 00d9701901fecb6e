"""Sessions of the pages: a cookie that names a key and holds no secret of it; and forms kept from abuse.

The cookie is sealed (Fernet: AES-128-CBC and HMAC-SHA-256, with its time) under a secret that only this
service's processes have. It holds for hours, and only while the key itself does: the keyring is asked at each
request. Nothing is kept of a session, so signing out makes the browser forget it; who would end one that was
copied revokes the key. It is read on pages alone, where a form of another site cannot use it: browsers send
it to requests from here only (SameSite), what they say of where a form came from is looked at, and each form
carries a token of its session.
"""

import base64
import hashlib
import hmac
import logging
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from creditsvc.errors import ForeignForm, Unauthenticated, Unavailable
from creditsvc.logs import error_fields
from creditsvc.settings import Settings
from creditsvc.web import auth, secret
from creditsvc.web.keys import SETTINGS

LASTS_S = 8 * 3600
LONGEST = 1024  # characters of a cookie that are looked at
COOKIE = "session"
# The prefix makes browsers refuse it from other hosts and without Secure, which plain HTTP cannot have.
SECURE_COOKIE = "__Host-session"

log = logging.getLogger("creditsvc.web")


class Seal:
    """Makes cookies and the tokens of forms, and tells its own from others."""

    def __init__(self, own: bytes) -> None:
        self._cookies = Fernet(base64.urlsafe_b64encode(_derived(own, b"creditsvc session")))
        self._forms = _derived(own, b"creditsvc form")
        self._parcels = Fernet(base64.urlsafe_b64encode(_derived(own, b"creditsvc parcel")))

    def cookie(self, key_id: str) -> str:
        """Seal the id of a key, with the time."""
        return self._cookies.encrypt(key_id.encode()).decode()

    def key_id(self, cookie: str) -> str | None:
        """Open a cookie; None for one that is not ours, or too old."""
        if len(cookie) > LONGEST:
            return None
        try:
            return self._cookies.decrypt(cookie.encode(), ttl=LASTS_S).decode()
        except (InvalidToken, UnicodeError):
            return None

    def form_token(self, cookie: str) -> str:
        """Give what the forms of a session carry."""
        found = hmac.digest(self._forms, cookie.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(found).decode().rstrip("=")

    def parcel(self, content: bytes) -> str:
        """Seal what a page's form is to carry and nobody is to change, with the time."""
        return self._parcels.encrypt(content).decode()

    def content(self, parcel: str) -> bytes | None:
        """Open a parcel; None for one that is not ours, or too old."""
        try:
            return self._parcels.decrypt(parcel.encode(), ttl=LASTS_S)
        except (InvalidToken, UnicodeError):
            return None


def _derived(own: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(own)


class Sessions:
    """The seal of this service, read when it is needed first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seal: Seal | None = None

    def seal(self) -> Seal:
        """Give it; ``Unavailable`` where the secret cannot be read or made."""
        if self._seal is None:
            try:
                self._seal = Seal(secret.load(self._settings))
            except (OSError, secret.SecretRefused) as error:
                log.error("no secret for sessions", extra={"fields": error_fields(error)})  # noqa: TRY400
                raise Unavailable("Nobody can sign in now: the service has no secret for it") from error
        return self._seal


SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions", Sessions)
SESSION: web.RequestKey[str] = web.RequestKey("session", str)  # the cookie by which the caller is known


async def recognise(request: web.Request) -> None:
    """Take for the caller whoever signed in, if their key still holds; else it stays the public."""
    cookie = request.cookies.get(_name(request))
    if cookie is None:
        return
    key_id = request.app[SESSIONS].seal().key_id(cookie)
    if key_id is None:
        return
    try:
        request[auth.CALLER] = await request.app[auth.KEYRING].holder(key_id)
    except Unauthenticated:
        return
    request[SESSION] = cookie


def begin(request: web.Request, response: web.StreamResponse, key_id: str) -> None:
    """Have the browser keep, until it is closed, that the holder of a key has signed in."""
    cookie = request.app[SESSIONS].seal().cookie(key_id)
    response.set_cookie(
        _name(request), cookie, path="/", secure=is_secure(request), httponly=True, samesite="Strict"
    )


def end(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget it."""
    response.del_cookie(_name(request), path="/", secure=is_secure(request), httponly=True, samesite="Strict")


def form_token(request: web.Request) -> str | None:
    """Give the token for the forms of whoever signed in."""
    cookie = request.get(SESSION)
    return None if cookie is None else request.app[SESSIONS].seal().form_token(cookie)


def check_form(request: web.Request, given: str | None) -> None:
    """Refuse a form without the token of its session (``ForeignForm``)."""
    wanted = form_token(request)
    if wanted is not None and not hmac.compare_digest(wanted.encode(), (given or "").encode()):
        raise ForeignForm("The form is of another session: open the page again")


def keep_out_foreign(request: web.Request) -> None:
    """Refuse a form that did not come from a page of ours, by what browsers say of it (``ForeignForm``).

    Every browser says where a form came from: Sec-Fetch-Site (Fetch Metadata), or at least Origin (RFC 6454).
    What says neither is none, and is let through unless it comes with a session.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        own = site == "same-origin"
    elif origin is not None:
        own = _host_in(origin) == host(request) != ""
    else:
        own = SESSION not in request
    if not own:
        raise ForeignForm("Forms are taken from the pages of this service only")


def _host_in(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as http://[
        return ""


def host(request: web.Request) -> str:
    """Give the name by which browsers reach this service, as they or our own proxy say it."""
    if request.app[SETTINGS].trust_forwarded:
        return _forwarded(request, "X-Forwarded-Host") or request.host
    return request.host


def _forwarded(request: web.Request, header: str) -> str:
    """Give what our own proxy wrote: the last; what stands before it is the client's word."""
    return request.headers.getall(header, [""])[-1].rpartition(",")[2].strip()


def is_secure(request: web.Request) -> bool:
    """Whether the browser came by HTTPS, as far as can be told, or as the settings say."""
    settings = request.app[SETTINGS]
    if settings.site_secure or request.secure:
        return True
    return settings.trust_forwarded and _forwarded(request, "X-Forwarded-Proto") == "https"


def _name(request: web.Request) -> str:
    return SECURE_COOKIE if is_secure(request) else COOKIE
