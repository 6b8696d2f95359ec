"""The templates of all pages: one environment, which escapes whatever comes from data."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nowcast.report import model_colours

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """Fill a template of ``templates/``: every value is escaped that is not markup itself."""
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The environment of the templates; a name that is not given is an error, and so is NaN in JSON."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("nowcast.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    made.globals["model_style"] = model_colours.model_style
    return made
