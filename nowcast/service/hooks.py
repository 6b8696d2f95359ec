"""Tell of warnings: POST to a web address, or a command; after everything is published, within bounded time.

What cannot be told stays in the ledger and is tried again by the next cycle, until its time is over. Each
message is told at least once: after a crash between telling and noting it down it is told again, under its id.
"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np

from nowcast.core.errors import NowcastError, printable
from nowcast.core.version import __version__
from nowcast.service.settings import ServiceSettings
from nowcast.service.warning_ledger import Message, WarningLedger
from nowcast.service.warning_settings import HookSettings

log = logging.getLogger(__name__)
_MOST_BACKOFF = 60.0


def tell(settings: ServiceSettings, ledger: WarningLedger, now: np.datetime64) -> int:
    """Tell what waits, for ``hook_seconds`` at most; return how many messages were tried. It never raises.

    A hook that fails all its tries is left alone for the rest of the cycle: it costs the others no time.
    """
    hooks = {hook.name: hook for hook in settings.hooks}
    deadline = time.monotonic() + settings.hook_seconds
    tried = 0
    try:
        silent: set[str] = set()
        for message in ledger.to_tell(list(hooks), now):
            if message.hook in silent or time.monotonic() >= deadline:
                continue
            tried += 1
            tries, failure = _tell_one(hooks[message.hook], message, deadline)
            ledger.note_told(message, tries, failure)
            if failure:
                silent.add(message.hook)
                log.warning("hook %s: not told of %s: %s", message.hook, message.id, failure)
    except Exception as error:  # telling must never cost the cycle, which is over
        log.warning("hooks: %s", error, exc_info=None if isinstance(error, (NowcastError, OSError)) else error)
    return tried


def _tell_one(hook: HookSettings, message: Message, deadline: float) -> tuple[int, str]:
    """Try a few times; return how often, and why it failed (empty when it was told)."""
    failure = "no time was left"
    tries = 0
    for attempt in range(hook.tries):
        wait = min(hook.backoff_seconds * 2.0 ** (attempt - 1), _MOST_BACKOFF) if attempt else 0.0
        if time.monotonic() + wait >= deadline:
            break
        time.sleep(wait)
        tries += 1
        seconds = min(hook.timeout_seconds, deadline - time.monotonic())
        send = _run if hook.url is None else _post
        failure = send(hook, message, max(seconds, 0.05))
        if not failure:
            break
    return tries, failure


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it could lead the message, and its header, to anyone."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Follow none."""


def _post(hook: HookSettings, message: Message, seconds: float) -> str:
    """POST the message; return why it failed. The address is in no message: it may hold a secret."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"nowcast/{__version__}",
        "Idempotency-Key": message.id,
    }
    if hook.header is not None and hook.header_variable is not None:
        value = os.environ.get(hook.header_variable)
        if not value or not value.isprintable():
            return f"the environment variable {hook.header_variable} is not set, or not one line"
        headers[hook.header] = value
    assert hook.url is not None
    request = urllib.request.Request(hook.url, message.body.encode(), headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirects)
    late = f"no answer within {seconds:.1f} s"

    def send() -> str:
        try:
            with opener.open(request, timeout=seconds) as answer:
                return "" if 200 <= answer.status < 300 else f"answered {answer.status}"
        except urllib.error.HTTPError as error:
            error.close()
            return f"answered {error.code}"
        except TimeoutError:
            return late
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                return late
            known = isinstance(error.reason, OSError) and error.reason.strerror
            return f"no answer ({known or type(error.reason).__name__})"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"no answer ({type(error).__name__})"

    return _bounded(send, seconds, late)


def _bounded(send: Callable[[], str], seconds: float, late: str) -> str:
    """Wait so long for an answer, whatever the name server, the connection or a dripping server does."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(send()), daemon=True)
    thread.start()
    thread.join(seconds)
    return printable(answers[0]) if answers else late


def _run(hook: HookSettings, message: Message, seconds: float) -> str:
    """Run the command with the message on its standard input; return why it failed."""
    assert hook.command is not None
    try:
        child = subprocess.Popen(
            list(hook.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be run ({getattr(error, 'strerror', None) or type(error).__name__})"
    try:
        child.communicate(message.body.encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"did not end within {seconds:.1f} s"
    finally:
        _end(child)
    return "" if child.returncode == 0 else f"ended with code {child.returncode}"


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a command that did not end, with all it started."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.stdin is not None:
        try:
            child.stdin.close()
        except OSError:
            log.debug("hook: its standard input was closed already")
