"""Telling of warnings: a web server that fails, hangs, refuses, redirects; commands that fail and hang."""

import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from nowcast.core.errors import FileError
from nowcast.core.times import to_text
from nowcast.service.hooks import tell
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import PublishedNowcast
from nowcast.service.settings import InputSettings, ServiceSettings
from nowcast.service.warning_ledger import WarningLedger, entries_of
from nowcast.service.warning_settings import HookSettings

NOW = np.datetime64("2025-06-01T12:00", "ns")


class Receiver:
    """Answers each POST with the next of some codes, the last of them for ever; a number below 1 is a wait."""

    def __init__(self, *codes):
        self.codes, self.got, self.headers = list(codes), [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(json.loads(body))
                outer.headers.append(dict(self.headers))
                code = outer.codes.pop(0) if len(outer.codes) > 1 else outer.codes[0]
                if code < 1:
                    time.sleep(2.0)
                    return
                self.send_response(code)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        serve = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-token"


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = []

    def start(*codes):
        made.append(Receiver(*codes))
        return made[-1]

    yield start
    for each in made:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as made:
        yield made


def waiting(tmp_path, ledger, *hooks, ids=("a",), **changes):
    """A service with hooks that are to be told of warnings."""
    settings = ServiceSettings(
        name="s",
        archive=tmp_path / "a.zarr",
        output=tmp_path,
        inputs=(InputSettings(tmp_path),),
        hooks=tuple(replace(hook, backoff_seconds=0.01) for hook in hooks),
        **changes,
    )
    manifest = {
        "forecast_reference_time": to_text(NOW),
        "published": to_text(NOW),
        "judged": [{"name": i, "period_ends": to_text(NOW), "raised": True, "probability": 0.5} for i in ids],
        "warnings": [{"id": i, "headline": "réel"} for i in ids],
    }
    ledger.note_nowcast(PublishedNowcast(NOW, "m", "", "f"), NOW, manifest, entries_of(settings, manifest))
    return settings, WarningLedger(ledger)


def told(ledger):
    return ledger.rows("SELECT id, hook, tries, outcome, reason FROM messages ORDER BY id, hook")


def test_a_server_that_fails_twice_is_told_the_third_time_and_no_more(tmp_path, ledger, receiver, monkeypatch):
    monkeypatch.setenv("TOKEN", "Bearer 123")
    server = receiver(500, 503, 200)
    hook = HookSettings("web", url=server.url, header="Authorization", header_variable="TOKEN")
    settings, known = waiting(tmp_path, ledger, hook)
    assert tell(settings, known, NOW) == 1
    assert tell(settings, known, NOW) == 0
    assert server.got == [{"id": "a", "headline": "réel"}] * 3
    assert {h["Idempotency-Key"] for h in server.headers} == {"a"}
    assert server.headers[0]["Authorization"] == "Bearer 123"
    assert told(ledger) == [("a", "web", 3, "delivered", "")]


def test_a_server_that_hangs_costs_its_time_and_not_that_of_others(tmp_path, ledger, receiver, caplog):
    hanging, good = receiver(0), receiver(204)
    slow = HookSettings("slow", url=hanging.url, timeout_seconds=0.2, tries=2)
    settings, known = waiting(tmp_path, ledger, slow, HookSettings("good", url=good.url), ids=("a", "b"))
    began = time.monotonic()
    tell(settings, known, NOW)
    assert time.monotonic() - began < 5
    assert sorted(message["id"] for message in good.got) == ["a", "b"]
    assert [row[3] for row in told(ledger) if row[1] == "good"] == ["delivered"] * 2
    failed = [row for row in told(ledger) if row[1] == "slow"]
    assert sorted((tries, outcome) for _, _, tries, outcome, _ in failed) == [(0, ""), (2, "")]
    assert "no answer within 0.2 s" in caplog.text
    assert "secret-token" not in caplog.text


@pytest.mark.parametrize(("code", "said"), [(302, "answered 302"), (403, "answered 403")])
def test_redirects_and_refusals_are_failures(tmp_path, ledger, receiver, code, said):
    server = receiver(code)
    settings, known = waiting(tmp_path, ledger, HookSettings("web", url=server.url, tries=1))
    tell(settings, known, NOW)
    assert len(server.got) == 1
    assert told(ledger) == [("a", "web", 1, "", said)]
    assert known.waiting() == [("web", 1, said)]


def test_what_cannot_be_told_is_told_later_until_it_expires(tmp_path, ledger, receiver):
    server = receiver(200)
    port = server.server.server_port
    server.server.shutdown()
    server.server.server_close()  # refuses connections
    hook = HookSettings("web", url=f"http://127.0.0.1:{port}/", tries=1)
    settings, known = waiting(tmp_path, ledger, hook, hook_expire_minutes=60.0)
    tell(settings, known, NOW)
    assert "refused" in told(ledger)[0][4]
    again = receiver(200)
    moved = replace(settings, hooks=(replace(hook, url=again.url),))
    tell(moved, known, NOW + np.timedelta64(59, "m"))
    assert again.got[0]["id"] == "a"
    ledger.write_all([("UPDATE messages SET outcome = ''", [()])])
    assert tell(moved, known, NOW + np.timedelta64(61, "m")) == 0
    assert told(ledger)[0][3] == "expired"


def test_a_crash_between_telling_and_noting_it_tells_again_under_the_same_id(
    tmp_path, ledger, receiver, monkeypatch
):
    server = receiver(200)
    settings, known = waiting(tmp_path, ledger, HookSettings("web", url=server.url))

    def crash(*_):
        raise FileError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(WarningLedger, "note_told", crash)
        assert tell(settings, known, NOW) == 1
    tell(settings, known, NOW)
    tell(settings, known, NOW)
    assert [message["id"] for message in server.got] == ["a", "a"]


def test_one_that_its_receiver_never_takes_does_not_keep_back_the_others(tmp_path, ledger, receiver):
    server = receiver(400, 200)
    settings, known = waiting(tmp_path, ledger, HookSettings("web", url=server.url, tries=1), ids=("a", "b"))
    assert tell(settings, known, NOW) == 1  # b, the newest, is refused
    assert tell(settings, known, NOW) == 2
    assert [message["id"] for message in server.got] == ["b", "a", "b"]


def test_a_secret_that_is_not_there_is_said_by_its_name(tmp_path, ledger):
    hook = HookSettings("web", url="http://127.0.0.1:1/", header="X-Key", header_variable="NOT_THERE", tries=1)
    settings, known = waiting(tmp_path, ledger, hook)
    tell(settings, known, NOW)
    assert "NOT_THERE is not set" in told(ledger)[0][4]


def test_commands_get_it_on_their_input_and_may_fail_or_hang(tmp_path, ledger):
    target, pid = tmp_path / "got.json", tmp_path / "pid"
    good = HookSettings("good", command=("/bin/sh", "-c", f"cat > '{target}'"))
    bad = HookSettings("bad", command=("/bin/sh", "-c", "exit 1"), tries=1, timeout_seconds=60)
    hang = HookSettings(
        "hang", command=("/bin/sh", "-c", f"sleep 60 & echo $! > '{pid}'; wait"), tries=1, timeout_seconds=0.5
    )
    none = HookSettings("none", command=("/no/such/program",), tries=1)
    settings, known = waiting(tmp_path, ledger, good, bad, hang, none)
    tell(settings, known, NOW)
    assert json.loads(target.read_text()) == {"id": "a", "headline": "réel"}
    reasons = {hook: reason for _, hook, _, _, reason in told(ledger)}
    assert reasons == {
        "good": "",
        "bad": "ended with code 1",
        "hang": "did not end within 0.5 s",
        "none": "cannot be run (No such file or directory)",
    }
    state = (tmp_path / "pid").read_text().strip()
    end = time.monotonic() + 5
    while time.monotonic() < end and _runs(state):
        time.sleep(0.02)
    assert not _runs(state)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_all_hooks_together_have_bounded_time(tmp_path, ledger):
    hang = HookSettings("hang", command=("/bin/sleep", "60"), tries=5, timeout_seconds=30)
    settings, known = waiting(tmp_path, ledger, hang, hook_seconds=0.4)
    began = time.monotonic()
    tell(settings, known, NOW)
    assert time.monotonic() - began < 5
    assert told(ledger)[0][2:4] == (1, "")
