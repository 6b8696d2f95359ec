"""The page of a server whose folder has none: what is offered, and a first picture."""

from __future__ import annotations

from starlette.requests import Request

from nowcast.core.times import to_text
from nowcast.report.rendering import render
from nowcast.serve.folder_files import page_policy
from nowcast.serve.pictures import Painter
from nowcast.serve.problems import RefusedRequestError
from nowcast.serve.shelf import Shelf
from nowcast.serve.tiles import bounds

_WIDTH = 720


def front_page(request: Request, shelf: Shelf, painter: Painter) -> tuple[str, str]:
    """Return the page, and the Content-Security-Policy that it needs."""
    del request
    about: dict[str, object] = {
        "title": "Radar nowcasts",
        **dict.fromkeys(("problem", "picture", "licence"), ""),
    }
    try:
        served = shelf.latest()
        forecast = served.data
        west, south, east, north = bounds(forecast.grid)
        height = round(min(max((north - south) / (east - west), 0.2), 2.0) * _WIDTH)
        about |= {
            "title": str(forecast.attrs.get("title", "Radar nowcast")),
            "reference_time": to_text(forecast.reference_time),
            "first": to_text(forecast.valid_times[0]),
            "last": to_text(forecast.valid_times[-1]),
            "middle": f"{(west + east) / 2:.2f} {(south + north) / 2:.2f}",
            "instances": list(shelf.instances()),
            "layers": list(painter.layers(served).values()),
            "licence": str(forecast.attrs.get("licence", "")),
            "width": _WIDTH,
            "height": height,
            "picture": "wms?service=WMS&version=1.3.0&request=GetMap&layers=reflectivity&styles=&crs=CRS:84"
            f"&bbox={west:.4f},{south:.4f},{east:.4f},{north:.4f}&width={_WIDTH}&height={height}"
            "&format=image/png",
        }
    except RefusedRequestError as error:
        about["problem"] = error.text
    text = render("serve.html", page=about)
    return text, page_policy(text.encode())
