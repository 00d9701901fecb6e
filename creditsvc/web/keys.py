"""Under which keys the application holds what its handlers need."""

import asyncpg
from aiohttp import web

from creditsvc.domain.catalogue import Catalogue
from creditsvc.ledger.writer import Writer
from creditsvc.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
CATALOGUE = web.AppKey("catalogue", Catalogue)
APPEND: web.AppKey[Writer] = web.AppKey("append", Writer)
LOOKUP_POOL: web.AppKey["asyncpg.Pool[asyncpg.Record]"] = web.AppKey("lookup_pool", asyncpg.Pool)
