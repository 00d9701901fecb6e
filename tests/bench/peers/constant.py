"""A worker of aiohttp that answers a constant: ``python -m tests.bench.peers.constant <descriptor>``.

As fast as anything written with aiohttp can be: no look-up, no limit, no log.
"""

import asyncio
import socket
import sys

import uvloop
from aiohttp import web

BODY = b"x" * 400  # about as long as a short profile


async def answer(_request: web.Request) -> web.Response:
    return web.Response(body=BODY, content_type="application/json")


async def serve(listening: socket.socket) -> None:
    app = web.Application()
    app.router.add_get("/v1/entities/{entity}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
