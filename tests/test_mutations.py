"""The list of mistakes that scripts/mutate.py puts into a copy of the code keeps up with the code."""

from pathlib import Path

import pytest

from scripts import mutate

MUTATIONS = mutate.read_mutations()


@pytest.mark.parametrize("file", sorted({m.file for m in MUTATIONS}))
def test_every_mistake_has_its_place_once_and_leaves_python_that_compiles(file):
    source = (mutate.ROOT / file).read_text(encoding="utf-8")
    for mutation in (m for m in MUTATIONS if m.file == file):
        compile(mutation.applied(source), mutation.name, "exec")


def test_every_mistake_has_tests_that_exist_and_a_name_of_its_own():
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS) > 150
    missing = {test for m in MUTATIONS for test in m.tests if not (mutate.ROOT / test).is_file()}
    assert not missing
    assert all(m.tests for m in MUTATIONS)


def test_a_text_that_is_gone_twice_there_or_unchanged_is_an_error():
    mutation = mutate.Mutation("core/x/y", "nowcast/core/x.py", "a + b", "a - b", ("tests/core/test_x.py",))
    assert mutation.applied("c = a + b\n") == "c = a - b\n"
    for source in ("c = b + a\n", "c = a + b\nd = a + b\n"):
        with pytest.raises(ValueError, match=r"core/x/y: got [02] places of 'a \+ b' in nowcast/core/x\.py"):
            mutation.applied(source)
    with pytest.raises(ValueError, match="expected one that changes"):
        mutate.Mutation("core/x/y", "nowcast/core/x.py", "a", "a", ()).applied("a")


def test_names_choose_by_their_start():
    names = [m.name for m in mutate.chosen(MUTATIONS, ["core/times", "models/cells/mim/change"])]
    assert names[-1] == "models/cells/mim/change_since_first_input"
    assert {name.rsplit("/", 1)[0] for name in names[:-1]} == {"core/times"}
    with pytest.raises(ValueError, match="--only nowhere"):
        mutate.chosen(MUTATIONS, ["nowhere"])


def test_a_mistake_is_tried_on_the_copy_and_taken_out_again(tmp_path, monkeypatch):
    file = tmp_path / "nowcast" / "one.py"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    file.write_text("VALUE = 1\n", encoding="utf-8")
    (tmp_path / "test_one.py").write_text(
        "from nowcast.one import VALUE\n\ndef test_one():\n    assert VALUE == 1\n", encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", encoding="utf-8")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def outcome(was, becomes):
        mutation = mutate.Mutation("one", "nowcast/one.py", was, becomes, ("test_one.py",))
        return mutate.tried(Path(tmp_path), mutation)

    assert outcome("= 1", "= 2").caught
    assert not outcome("= 1", "= True").caught
    assert file.read_text(encoding="utf-8") == "VALUE = 1\n"
    with pytest.raises(RuntimeError, match="pytest ended with 2"):
        outcome("VALUE", "OTHER")
