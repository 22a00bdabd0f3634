"""systemd as PID 1 with the real units and the real node: scripts/boot-test --fast, each check a test's assertion."""

import pytest

from systemd import boot, box


@pytest.mark.slow
def test_a_system_boots_with_the_node_and_every_check_holds(tmp_path):
    try:
        found = boot.fast(tmp_path)
    except box.Impossible as why:
        pytest.skip(f"no booted system here: {why}")
    assert [check for check in found if not check["ok"]] == []
    assert len(found) >= 10
