"""The parser that judges what we expose knows OpenMetrics: it takes what the specification's cases take, and nothing else."""

import json
import tarfile

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

CASES, VALID = 211, 44


def parses(text):
    try:
        return len(list(text_string_to_metric_families(text))) >= 0
    except (ValueError, UnicodeDecodeError):
        return False


def test_every_case_of_the_specification(data):
    folder = data / "openmetrics"
    if not folder.is_dir():
        pytest.skip(f"no OpenMetrics cases: {folder} is not there")
    wrong, valid = [], 0
    with tarfile.open(folder / "openmetrics_parsers_testdata.tar.gz") as archive:
        read = {member.name: archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()}
    cases = [name.removesuffix("/test.json") for name in read if name.endswith("/test.json")]
    assert len(cases) == CASES
    for name in cases:
        wanted = json.loads(read[f"{name}/test.json"])["shouldParse"]
        valid += wanted
        if parses(read[f"{name}/metrics"].decode(errors="replace")) != wanted:
            wrong.append(name)
    assert (wrong, valid) == ([], VALID)
