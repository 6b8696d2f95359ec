import os

import pytest

from nowcast.data.decode_pool import decode_all
from tests.fakes.decoding import number_of_threads, refuse, square, square_or_die


def crashed(number):
    return f"{number} crashed"


def test_one_process_works_here_and_in_order():
    assert list(decode_all(square, [3, 1, 2], 1, crashed)) == [9, 1, 4]
    assert list(decode_all(square, [], 2, crashed)) == []


def test_two_processes_do_everything_once_with_one_thread_each(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = list(decode_all(number_of_threads, range(8), 2, crashed))
    assert len(found) == 8
    assert {threads for threads, _ in found} == {"1"}
    assert os.getpid() not in {number for _, number in found}
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_a_task_on_which_a_process_dies_is_told_and_costs_no_other():
    found = list(decode_all(square_or_die, range(9), 2, crashed))
    assert sorted(map(str, found)) == sorted([*(str(n * n) for n in range(9) if n != 5), "5 crashed"])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_no_damaged_video(processes):
    with pytest.raises(OSError, match="No space"):
        list(decode_all(refuse, range(4), processes, crashed))
