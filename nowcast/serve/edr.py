"""The EDR interface: values at points, in areas and in boxes, of the newest nowcast or of any that is kept."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from nowcast.serve import edr_documents as documents
from nowcast.serve.answers import as_bytes, as_json, base_url, unchanged
from nowcast.serve.coverages import coverage_json, csv_text, netcdf
from nowcast.serve.edr_query import (
    COVERAGE_JSON,
    CSV,
    FORMATS,
    NETCDF,
    check_crs,
    check_size,
    choices,
    format_of,
    read_area,
    read_box,
    read_points,
)
from nowcast.serve.pictures import Painter
from nowcast.serve.problems import not_found, wrong
from nowcast.serve.regions import Region, of_area, of_box, of_point
from nowcast.serve.settings import Limits
from nowcast.serve.shelf import ServedForecast, Shelf


class DataRetrieval:
    """Answers ``/collections`` and all below it."""

    def __init__(self, shelf: Shelf, painter: Painter, limits: Limits) -> None:
        self._shelf, self._painter, self._limits = shelf, painter, limits

    def landing(self, request: Request) -> Response:
        """The first document."""
        return as_json(request, documents.landing(base_url(request)))

    def conformance(self, request: Request) -> Response:
        """The standards that are kept."""
        return as_json(request, documents.conformance())

    def open_api(self, request: Request) -> Response:
        """The interface as OpenAPI."""
        return as_json(
            request, documents.open_api(base_url(request)), "application/vnd.oai.openapi+json;version=3.0"
        )

    def collections(self, request: Request) -> Response:
        """The list of the one collection."""
        served = self._shelf.latest()
        layers = list(self._painter.layers(served).values())
        address = base_url(request)
        found = documents.collection(address, served, layers)
        return as_json(request, documents.collections(address, [found]), tag=served.tag)

    def collection(self, request: Request) -> Response:
        """What a nowcast holds."""
        self._check_collection(request)
        instance = request.path_params.get("instance", "")
        served = self._shelf.get(instance)
        layers = list(self._painter.layers(served).values())
        return as_json(
            request, documents.collection(base_url(request), served, layers, instance), tag=served.tag
        )

    def instances(self, request: Request) -> Response:
        """Every nowcast that is kept."""
        self._check_collection(request)
        address = base_url(request)
        lines = [documents.instance_line(address, name) for name in self._shelf.instances()]
        return as_json(request, documents.instances(address, lines))

    def query(self, request: Request) -> Response:
        """Answer position, area or cube.

        Raises:
            RefusedRequestError: something is absent, wrong, too large or outside the grid.
        """
        self._check_collection(request)
        kind = request.path_params["query"]
        if kind not in documents.QUERIES:
            raise not_found("query", kind, f"one of {', '.join(documents.QUERIES)}", "ask for another")
        served = self._shelf.get(request.path_params.get("instance", ""))
        same = unchanged(request, served.tag)
        if same is not None:
            return same
        asked = dict(request.query_params)
        check_crs(asked)
        chosen = choices(served.data, self._painter.layers(served), asked)
        written = format_of(asked)
        if written == NETCDF and kind == "position":
            raise wrong("f", written, f"{COVERAGE_JSON} or {CSV} at points", "ask for another, or for a cube")
        regions = self._regions(served, kind, asked)
        check_size(chosen, sum(region.size for region in regions), self._limits)
        if written == COVERAGE_JSON:
            document = coverage_json(served.data, chosen, regions)
            return as_json(request, document, FORMATS[written], served.tag)
        if written == CSV:
            text = csv_text(served.data, chosen, regions)
            return as_bytes(request, text.encode(), FORMATS[written], served.tag, compress=True)
        body = netcdf(served.data, chosen, regions[0])
        name = {"Content-Disposition": f'attachment; filename="nowcast_{kind}.nc"'}
        return as_bytes(request, body, FORMATS[written], served.tag, headers=name)

    def _regions(self, served: ServedForecast, kind: str, asked: dict[str, str]) -> Sequence[Region]:
        grid = served.data.grid
        if kind == "position":
            return [of_point(grid, point) for point in read_points(asked, self._limits)]
        if kind == "area":
            return [of_area(grid, read_area(asked, self._limits))]
        return [of_box(grid, read_box(asked))]

    def _check_collection(self, request: Request) -> None:
        name = request.path_params.get("collection", documents.COLLECTION)
        if name != documents.COLLECTION:
            raise not_found("collection", name, f"'{documents.COLLECTION}'", "see /collections")
