"""The application: which address is answered by what."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from nowcast.serve.answers import as_bytes, endpoint, refusal
from nowcast.serve.counts import Counts
from nowcast.serve.edr import DataRetrieval
from nowcast.serve.folder_files import FolderFiles
from nowcast.serve.front_page import front_page
from nowcast.serve.guard import Guard
from nowcast.serve.health import Health
from nowcast.serve.pictures import Painter
from nowcast.serve.problems import RefusedRequestError
from nowcast.serve.settings import ServeSettings
from nowcast.serve.shelf import Shelf
from nowcast.serve.tiles import Tiles
from nowcast.serve.wms import WebMapService, refuse


def make_app(settings: ServeSettings) -> ASGIApp:
    """Make the ASGI application of a place; nothing is read before the first request."""
    shelf, painter, counts = Shelf(settings.place), Painter(settings.z_r_name), Counts()
    edr = DataRetrieval(shelf, painter, settings.limits)
    tiles, health = Tiles(shelf, painter), Health(shelf, settings, counts)
    wms = WebMapService(shelf, painter, settings.limits)
    files = FolderFiles(settings.place)

    def page(request: Request) -> Response:
        """For browsers the page of the folder, else one made here; for programs the landing page."""
        browser = "text/html" in request.headers.get("accept", "")
        if request.query_params.get("f") == "json" or not browser:
            return edr.landing(request)
        if files.has_page():
            return files.answer(request, files.page)
        text, policy = front_page(request, shelf, painter)
        headers = {"Content-Security-Policy": policy}
        return as_bytes(request, text.encode(), "text/html; charset=utf-8", headers=headers)

    def file(request: Request) -> Response:
        """A product of the folder."""
        return files.answer(request, request.path_params["name"])

    def no_icon(request: Request) -> Response:
        """Browsers ask for one; without an answer they complain."""
        del request
        return Response(None, 204)

    below = "/collections/{collection}"
    routes = [
        Route("/", endpoint(page)),
        Route("/api", endpoint(edr.open_api)),
        Route("/conformance", endpoint(edr.conformance)),
        Route("/collections", endpoint(edr.collections)),
        Route(below, endpoint(edr.collection)),
        Route(f"{below}/instances", endpoint(edr.instances)),
        Route(f"{below}/instances/{{instance}}", endpoint(edr.collection)),
        Route(f"{below}/instances/{{instance}}/{{query}}", endpoint(edr.query)),
        Route(f"{below}/{{query}}", endpoint(edr.query)),
        Route("/tiles/{layer}.json", endpoint(tiles.tile_json)),
        Route("/tiles/{layer}/{z}/{x}/{y}.png", endpoint(tiles.tile)),
        Route("/wms", endpoint(wms.answer, refuse)),
        Route("/health", endpoint(health.health)),
        Route("/metrics", endpoint(health.metrics)),
        Route("/favicon.ico", endpoint(no_icon)),
        Route("/{name:path}", endpoint(file)),
    ]

    def other(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = f"address: got '{request.url.path[:120]}', expected one of /api; correct it"
        return refusal(request, RefusedRequestError(status, text))

    app = Starlette(routes=routes, exception_handlers={HTTPException: other})
    app.router.redirect_slashes = False
    return Guard(app, settings, counts)
