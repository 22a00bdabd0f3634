"""`noderrctl rules test PATH...`: run scenario files (*.scenario, also in folders) against the policies that they name."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from noderrd import rulefiles
from noderrd.ctl import rules_check
from rules import check, scenario
from rules.coverage import Coverage
from rules.diagnostic import Diagnostic
from rules.rehearse import Failure, run
from rules.scenario import Scenario
from rules.span import Source, Span


@dataclass(slots=True)
class _Result:
    """What came of one scenario."""

    scenario: Scenario
    failures: list[Failure]


@dataclass(slots=True)
class _Session:
    """Policies are read once, and what all scenarios exercise of one is noted together."""

    results: list[_Result] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    policies: dict[tuple[str, ...], Coverage | None] = field(default_factory=dict)

    def file(self, path: str) -> None:
        """Run the scenarios of a file."""
        try:
            found, faults, source = scenario.read(path, rulefiles.read(path))
        except OSError as why:
            self.diagnostics.append(Diagnostic(Span(path, 1, 1, 2), "error", "file", f"cannot read {path}: {why.strerror or why}"))
            return
        self.sources[path] = source
        self.diagnostics += faults
        for one in found:
            coverage = self._policy(one)
            if coverage is None:
                continue
            wrong = scenario.unknown(one, coverage.policy)
            self.diagnostics += wrong
            if not wrong:
                self.results.append(_Result(one, run(coverage.policy, one, coverage)))

    def _policy(self, one: Scenario) -> Coverage | None:
        paths = [path for pattern in one.policies for path in rulefiles.expand(pattern, one.span.file)]
        if not paths:
            message = f"no file is called {', '.join(one.policies)}"
            self.diagnostics.append(Diagnostic(one.span, "error", "file", message, "a policy is named relative to the scenario's file"))
            return None
        key = tuple(str(Path(path).resolve()) for path in paths)
        if key not in self.policies:
            policy, faults, sources = check.load(paths, rulefiles.read, rulefiles.expand)
            self.diagnostics += [fault for fault in faults if fault.severity == "error"]
            self.sources |= sources
            self.policies[key] = Coverage(policy) if policy is not None else None
        return self.policies[key]

    def coverages(self) -> list[Coverage]:
        """Give what was exercised, a policy each."""
        return [one for one in self.policies.values() if one is not None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scenario files, or folders of *.scenario")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit XML too")


def main(args: argparse.Namespace) -> int:
    """Run all; exit 0 if everything came out as expected."""
    session = _Session()
    for path in _files(args.paths):
        session.file(path)
    failed = sum(bool(result.failures) for result in session.results)
    if not session.results and not session.diagnostics:
        session.diagnostics.append(Diagnostic(Span(str(args.paths[0]), 1, 1, 2), "error", "file", "there is no scenario"))
    if args.junit is not None:
        args.junit.write_bytes(_junit(session))
    if args.json:
        print(json.dumps(_report(session, failed)))
    else:
        _tell(session, failed)
    return 1 if failed or session.diagnostics else 0


def _files(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        yield from (str(p) for p in sorted(path.rglob("*.scenario"))) if path.is_dir() else [str(path)]


def _shares(session: _Session) -> tuple[tuple[int, int], tuple[int, int]]:
    """Count blocks and branches: exercised, and all."""
    all_of = session.coverages()
    blocks = [one.every_block().keys() for one in all_of], [one.every_branch().keys() for one in all_of]
    return (
        (sum(len(c.blocks & names) for c, names in zip(all_of, blocks[0], strict=True)), sum(map(len, blocks[0]))),
        (sum(len(c.branches & names) for c, names in zip(all_of, blocks[1], strict=True)), sum(map(len, blocks[1]))),
    )


def _report(session: _Session, failed: int) -> dict[str, object]:
    shares = _shares(session)
    return {
        "passed": len(session.results) - failed,
        "failed": failed,
        "coverage": {name: done / of if of else 1.0 for name, (done, of) in zip(("blocks", "branches"), shares, strict=True)},
        "never": [f"{span}: {said}" for one in session.coverages() for span, said in one.never()],
        "failures": [
            {"scenario": result.scenario.name, "rule": str(failure.span), "message": failure.message, "trace": list(failure.why)}
            for result in session.results
            for failure in result.failures
        ],
        "diagnostics": [found.as_dict() for found in session.diagnostics],
    }


def _tell(session: _Session, failed: int) -> None:
    rules_check.tell(session.diagnostics, session.sources)
    for result in session.results:
        print(f"{'FAIL' if result.failures else 'ok  '} {result.scenario.name}")
        for failure in result.failures:
            wanted = session.sources[failure.span.file].line(failure.span.line).strip()
            print(f"     {failure.span}: {wanted}: {failure.message}")
            for line in failure.why:
                print(f"       {line}")
    for one in session.coverages():
        for span, said in one.never():
            print(f"never {span}: {said}", file=sys.stderr)
    (blocks, all_blocks), (branches, all_branches) = _shares(session)
    print(
        f"{len(session.results) - failed} passed, {failed} failed; exercised: {blocks} of {all_blocks} blocks, {branches} of {all_branches} branches"
    )


def _junit(session: _Session) -> bytes:
    """Write JUnit XML: a case a scenario; errors in files are cases too."""
    cases = len(session.results) + len(session.diagnostics)
    failed = sum(bool(result.failures) for result in session.results)
    suite = ET.Element("testsuite", name="rules", tests=str(cases), failures=str(failed), errors=str(len(session.diagnostics)))
    for result in session.results:
        case = ET.SubElement(suite, "testcase", classname=result.scenario.span.file, name=result.scenario.name)
        for failure in result.failures:
            ET.SubElement(case, "failure", message=f"{failure.span}: {failure.message}").text = "\n".join(failure.why)
    for found in session.diagnostics:
        case = ET.SubElement(suite, "testcase", classname=found.span.file, name=str(found.span))
        ET.SubElement(case, "error", message=found.message)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
