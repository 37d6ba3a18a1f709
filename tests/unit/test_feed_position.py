"""The state file of a feed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sinks.feed.position import InvalidState, positions_in


def test_positions_are_kept_per_source_and_trigger(tmp_path: Path) -> None:
    """Another source, or another Trigger, has its own."""
    path = tmp_path / "new" / "feed.json"
    with positions_in(path) as positions:
        positions.put("s", None, {"offset": 1})
        positions.put("s", "a", {"offset": 2})
        positions.put("t", "a", {"offset": 3})
        positions.save()
    with positions_in(path) as positions:
        found = [positions.get(*each) for each in (("s", None), ("s", "a"), ("t", "a"))]

        assert found == [{"offset": 1}, {"offset": 2}, {"offset": 3}]
        assert positions.get("t", None) is None


def test_state_that_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    """A feed without events does not wear out a disk."""
    path = tmp_path / "feed.json"
    with positions_in(path) as positions:
        positions.put("s", None, {"offset": 1})
        positions.save()
        path.unlink()
        positions.save()

        assert not path.exists()
        positions.put("s", None, {"offset": 2})
        positions.save()
        assert json.loads(path.read_text())["positions"] == {"s": {"*": {"offset": 2}}}


def test_state_whose_write_fails_keeps_the_old_one(tmp_path: Path) -> None:
    """The old file is there until the new one is whole."""
    path = tmp_path / "feed.json"
    with positions_in(path) as positions:
        positions.put("s", None, {"offset": 1})
        positions.save()
        (tmp_path / "feed.json.new").mkdir()
        positions.put("s", None, {"offset": 2})
        with pytest.raises(InvalidState, match="cannot write"):
            positions.save()

    assert json.loads(path.read_text())["positions"] == {"s": {"*": {"offset": 1}}}
    assert [each.name for each in sorted(tmp_path.iterdir())] == [
        *("feed.json", "feed.json.lock", "feed.json.new")
    ]


def test_state_is_had_by_one_at_a_time(tmp_path: Path) -> None:
    """And by the next as soon as the first has ended."""
    path = tmp_path / "feed.json"
    with positions_in(path):
        with pytest.raises(InvalidState, match="another feed"), positions_in(path):
            raise AssertionError("two have it")

    with positions_in(path) as positions:
        assert positions.get("s", None) is None
