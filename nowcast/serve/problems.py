"""What a request can be refused with: a status, a code and one line."""

from __future__ import annotations

from nowcast.core.errors import complain, printable

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, TOO_LARGE, TOO_MANY, FAULT, NOTHING_YET = 400, 404, 405, 413, 429, 500, 503
CODES = {
    BAD_REQUEST: "InvalidParameterValue",
    NOT_FOUND: "NotFound",
    NOT_ALLOWED: "MethodNotAllowed",
    TOO_LARGE: "TooLarge",
    TOO_MANY: "TooManyRequests",
    FAULT: "ServerError",
    NOTHING_YET: "NoForecast",
}
_MOST_SHOWN = 120


class RefusedRequestError(Exception):
    """A request that is not answered; `text` is one line for whoever asked."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = printable(text)
        self.code = code or CODES.get(status, "ServerError")

    def document(self) -> dict[str, str]:
        """As OGC API Common writes an exception."""
        return {"code": self.code, "description": self.text}


def wrong(what: str, value: object, expected: str, remedy: str, code: str = "") -> RefusedRequestError:
    """Make a refusal (400) of the four parts that every message has."""
    found = str(value)
    short = found if len(found) <= _MOST_SHOWN else f"{found[:_MOST_SHOWN]}..."
    return RefusedRequestError(BAD_REQUEST, complain(what, f"'{short}'", expected, remedy), code)


def too_large(what: str, value: object, expected: str, remedy: str) -> RefusedRequestError:
    """Make a refusal (413) of an answer that would be too large."""
    return RefusedRequestError(TOO_LARGE, complain(what, value, expected, remedy))


def not_found(what: str, value: object, expected: str, remedy: str, code: str = "") -> RefusedRequestError:
    """Make a refusal (404)."""
    found = str(value)[:_MOST_SHOWN]
    return RefusedRequestError(NOT_FOUND, complain(what, f"'{found}'", expected, remedy), code)
