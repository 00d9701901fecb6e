"""Under which keys the application holds what its handlers need."""

from dataclasses import dataclass

import asyncpg
from aiohttp import web

from creditsvc.domain.catalogue import Catalogue
from creditsvc.domain.standing import Rules
from creditsvc.ledger.accesses import Accesses
from creditsvc.ledger.log import Log
from creditsvc.ledger.promises import Promises
from creditsvc.ledger.reader import Reader
from creditsvc.ledger.scores import Scores
from creditsvc.ledger.writer import Writer
from creditsvc.settings import Settings
from creditsvc.store.database import Pool


@dataclass(slots=True)
class Lifecycle:
    """Where the worker is in its life."""

    stopping: bool = False  # told to stop: it finishes what it has and takes no more


SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
DSN: web.AppKey[str] = web.AppKey("dsn", str)
LIFECYCLE: web.AppKey[Lifecycle] = web.AppKey("lifecycle", Lifecycle)
CATALOGUE: web.AppKey[Catalogue] = web.AppKey("catalogue", Catalogue)
LOOKUP_POOL: web.AppKey[Pool] = web.AppKey("lookup_pool", asyncpg.Pool)
APPEND_POOL: web.AppKey[Pool] = web.AppKey("append_pool", asyncpg.Pool)
APPEND: web.AppKey[Writer] = web.AppKey("append", Writer)
ACCESS_POOL: web.AppKey[Pool] = web.AppKey("access_pool", asyncpg.Pool)
ACCESSES: web.AppKey[Accesses] = web.AppKey("accesses", Accesses)
SCORES: web.AppKey[Scores] = web.AppKey("scores", Scores)
LOG: web.AppKey[Log] = web.AppKey("log", Log)
PROMISES: web.AppKey[Promises] = web.AppKey("promises", Promises)
READER: web.AppKey[Reader] = web.AppKey("reader", Reader)
RULES: web.AppKey[Rules] = web.AppKey("rules", Rules)
