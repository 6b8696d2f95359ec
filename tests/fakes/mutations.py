"""Damage for fuzz tests: any change of a JSON document, of a text, and of the bytes of a file."""

import copy

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
HARSH = st.sampled_from(
    [
        -1,
        0,
        1,
        2**31,
        2**63,
        10**30,
        -(2**63),
        1e308,
        1e-308,
        float("nan"),
        float("inf"),
        "",
        "int8",
        "\x1b[31m",
        "a\0b",
        "../../etc",
        [],
        {},
        None,
        [-1],
        [10**12, 4, 4],
        [[1]],
        True,
    ]
)
WORDS = (
    b"[" * 2000,
    b"{" * 2000,
    b"&a ",
    b"*a",
    b"<<: *a",
    b": ",
    b"- ",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"9" * 400,
    b".inf",
    b".nan",
    b"!!python/name:os.system",
    b"!!binary ",
    b"'",
    b'"',
    b"|\n",
    b"1e999",
    b"~",
    b"-1",
    b"\xef\xbb\xbf",
    b"---\n",
    b"%TAG",
    b"0x",
    b"1:1:1",
    b"2020-13-45",
)


def places(document, before=()):
    """Every place of a JSON document, as the keys that lead to it."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*before, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*before, key))


def put(document, place, value, remove=False):
    """A copy of the document with another value at a place, or without it."""
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return document


@st.composite
def damaged_json(draw, document):
    """Return a document with one to three places changed or removed, and the places."""
    changed, where = document, []
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(changed))
        if not found:
            break
        where.append(draw(st.sampled_from(found)))
        changed = put(changed, where[-1], draw(HARSH | JSON), draw(st.booleans()))
    return changed, where


@st.composite
def damaged_bytes(draw, whole, first=4096, words=(), most=6):
    """Return bytes of which up to ``most`` stretches within the ``first`` were flipped, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, max(min(len(data), first) - 1, 0)))
        kind = draw(st.sampled_from(("flip", "flip", "cut", "insert", "end", "twice")))
        if kind == "flip" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + draw(st.integers(1, 64))]
        elif kind == "insert":
            new = st.sampled_from(words) if words else st.binary(min_size=1, max_size=16)
            data[place:place] = draw(new)
        elif kind == "twice":
            data[place:place] = data[place : place + draw(st.integers(1, 256))]
        elif draw(st.integers(0, 3)) == 0:
            del data[place:]
    return bytes(data)


def hunt(check, examples, times=1):
    """Call ``check(data)`` with ``examples`` draws of hypothesis, the same ones in every run.

    Args:
        check: takes what `hypothesis.strategies.data` gives; raises when something is wrong.
        examples: how many draws.
        times: how many times as many, others then.
    """
    run = settings(
        max_examples=examples * times,
        deadline=None,
        database=None,
        derandomize=times == 1,
        suppress_health_check=list(HealthCheck),
    )(given(data=st.data())(check))
    (run if times == 1 else seed(times)(run))()
