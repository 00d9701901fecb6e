"""The port of a witness that logs ask, with the limits and the access log that the service itself has."""

import asyncio
import socket

import click
from aiohttp import web

from creditsvc.settings import Settings
from creditsvc.web.access_log import AccessLog
from creditsvc.web.protocol import Listener
from creditsvc.web.routes import ROUTE, Handler, Route
from creditsvc.witness.serving import Desk, application

SERVED = Settings(connections_max=512)


async def serve(desk: Desk, host: str, port: int) -> None:
    """Answer until cancelled."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        listener = Listener(named(desk), SERVED, AccessLog)
        await listener.start(listening)
        bound, at, *_ = listening.getsockname()
        click.echo(f"listening on http://{f'[{bound}]' if ':' in bound else bound}:{at}", err=True)
        try:
            await asyncio.Event().wait()
        finally:
            await listener.stop()


def named(desk: Desk) -> web.Application:
    """Make the application, whose requests know by which route they came, for the access log."""
    app = application(desk)
    app.middlewares.append(_name)
    return app


@web.middleware
async def _name(request: web.Request, handler: Handler) -> web.StreamResponse:
    resource = request.match_info.route.resource
    if resource is not None:
        name = "add-checkpoint" if request.method == "POST" else "checkpoint"
        path = resource.canonical
        request[ROUTE] = Route(request.method, path, handler, name=name, summary="")
    return await handler(request)
