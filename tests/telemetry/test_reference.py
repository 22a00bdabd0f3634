"""docs/metrics.md names every metric, and no other."""

from pathlib import Path

from noderrd.telemetry import reference

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_the_file_is_what_the_program_writes():
    assert DOCS.read_text() == reference.text(), "python -m noderrd.telemetry.reference > docs/metrics.md"
