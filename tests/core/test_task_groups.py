"""Groups of tasks: quick ones together, slow ones and those that end their worker alone."""

from nowcast.core.task_groups import TaskGroups


def _learnt(count, seconds):
    groups = TaskGroups(range(count + 16), 2)
    taken = [groups.take() for _ in range(16)]
    assert taken == [[n] for n in range(16)]
    for _ in taken:
        groups.took(seconds)
    return groups


def test_nothing_is_known_at_first():
    groups = TaskGroups(range(100), 20)
    assert groups.most_waiting == 40
    assert TaskGroups(range(100), 0).most_waiting == 16
    assert [groups.take() for _ in range(3)] == [[0], [1], [2]]
    for _ in range(4):
        groups.took(10.0)
    assert groups.most_waiting == 1000
    assert groups.take() == [3]


def test_quick_tasks_travel_together_and_fewer_toward_the_end():
    groups = _learnt(1000, 0.01)
    assert groups.take() == list(range(16, 26))
    assert len(_learnt(224, 0.01).take()) == 7
    assert len(_learnt(100_000, 0.0).take()) == 64
    assert _learnt(1000, 0.2).take() == [16]
    sizes = [len(group) for group in iter(groups.take, [])]
    assert sum(sizes) == 990
    assert sizes[-1] == 1
    assert groups.take() == []


def test_one_slow_beginning_is_no_rule():
    """The first task of a worker imports libraries."""
    groups = TaskGroups(range(2000), 2)
    for seconds in (2.0, 2.0, 0.01, 0.01, 0.01):
        groups.took(seconds)
    assert len(groups.take()) == 10


def test_tasks_of_a_lost_group_are_done_again_each_alone_and_first():
    groups = _learnt(1000, 0.01)
    group = groups.take()
    groups.again(group)
    assert [groups.take() for _ in group] == [[n] for n in group]
    assert len(groups.take()) == 10
