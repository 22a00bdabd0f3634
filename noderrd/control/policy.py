"""Policies as they are put into force: read whole, kept version by version with who and when, and what a start takes.

STATE/rules holds `N.json`, the texts of version N as they were read, and `versions.jsonl`, a line for each time that a version was put into force or
confirmed. The texts are on the disk before the line is.

A start takes the files that the node is configured with, except that a version on trial that was not confirmed gives way to the one before it, and
that the version in force stays, also when it came from elsewhere or from an undo, while the configured files are what they were when it came.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from noderrd import durable, rulefiles
from rules import check, model
from rules.diagnostic import Diagnostic
from rules.include import Expand, Read
from rules.span import Source


class NoVersion(Exception):
    """There is no such version, or none that waits to be confirmed; the text is for a person."""


@dataclass(frozen=True)
class Loaded:
    """A policy as it was read: `policy` is None, and `errors` say why, when it is not valid. `files` and `includes` are enough to read it again."""

    policy: model.Policy | None
    diagnostics: list[Diagnostic]
    sources: dict[str, Source]
    paths: list[str]
    files: dict[str, str]  # path to text
    includes: dict[str, list[str]]  # "file\npattern" to paths

    @property
    def sha256(self) -> str:
        """Of all texts with their paths."""
        return hashlib.sha256(json.dumps([self.paths, sorted(self.files.items())]).encode()).hexdigest()

    def errors(self) -> list[Diagnostic]:
        """Give what keeps it from being valid."""
        return [d for d in self.diagnostics if d.severity == "error"]


@dataclass(frozen=True)
class Version:
    """A policy that was put into force. `until_ns` > 0: it goes back to `back_to` then, unless confirmed. `disk`: SHA-256 of the configured files."""

    version: int
    sha256: str
    who: str
    at: int  # ns since the epoch
    disk: str = ""
    back_to: int = 0
    until_ns: int = 0


@dataclass(frozen=True)
class Kept:
    """The texts of a version."""

    paths: list[str]
    files: dict[str, str]
    includes: dict[str, list[str]]

    def load(self) -> Loaded:
        """Read it again, without the disk; strategies and models that have gone since are errors."""

        def read(path: str) -> bytes:
            if path not in self.files:
                raise FileNotFoundError(2, "it was not there either when this version was put into force", path)
            return self.files[path].encode()

        return _loaded(self.paths, read, lambda pattern, file: self.includes.get(f"{file}\n{pattern}", []))


def from_disk(paths: Sequence[Path]) -> Loaded:
    """Read a policy; a strategy's or model's file that is missing is an error."""
    return _loaded(rulefiles.under(paths), rulefiles.read, rulefiles.expand)


def _loaded(paths: list[str], read: Read, expand: Expand) -> Loaded:
    files: dict[str, str] = {}
    includes: dict[str, list[str]] = {}

    def remember(path: str) -> bytes:
        content = read(path)
        files[path] = content.decode("utf-8", "replace")
        return content

    def note(pattern: str, file: str) -> Sequence[str]:
        found = includes[f"{file}\n{pattern}"] = list(expand(pattern, file))
        return found

    policy, diagnostics, sources = check.load(paths, remember, note)
    missing = [replace(d, severity="error") for d in rulefiles.missing(policy)] if policy is not None else []
    return Loaded(None if missing else policy, [*diagnostics, *missing], sources, paths, files, includes)


class Versions:
    """The store in a folder. Raises OSError as the disk does."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._folder, self._clock = folder, clock
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def history(self) -> list[Version]:
        """Give every version as it last was, oldest first. A line that a crash cut short is left out."""
        found: dict[int, Version] = {}
        try:
            lines = (self._folder / "versions.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                version = Version(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[version.version] = version
        return list(found.values())

    def last(self) -> Version | None:
        """Give the version in force, or that was when the daemon ended."""
        known = self.history()
        return known[-1] if known else None

    def get(self, version: int) -> Kept:
        """Give a version's texts. Raises NoVersion."""
        try:
            return Kept(**json.loads((self._folder / f"{version}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError) as why:
            message = f"there is no version {version} (noderrctl rules history lists them)"
            raise NoVersion(message) from why

    def put(self, loaded: Loaded, who: str, disk: str, back_to: int = 0, until_ns: int = 0) -> Version:
        """Keep a policy that is put into force; the same one again, for good, is the same version."""
        last = self.last()
        if last is not None and last.sha256 == loaded.sha256 and last.disk == disk and not last.until_ns and not until_ns:
            return last
        version = Version((last.version if last else 0) + 1, loaded.sha256, who, self._clock(), disk, back_to, until_ns)
        durable.write(self._folder / f"{version.version}.json", json.dumps(asdict(Kept(loaded.paths, loaded.files, loaded.includes))))
        self._line(version)
        return version

    def confirm(self) -> Version:
        """Keep the version that is on trial. Raises NoVersion when none is."""
        last = self.last()
        if last is None or not last.until_ns:
            message = "no policy waits to be confirmed"
            raise NoVersion(message)
        version = replace(last, back_to=0, until_ns=0)
        self._line(version)
        return version

    def _line(self, version: Version) -> None:
        path = self._folder / "versions.jsonl"
        with path.open("a") as file:
            if file.tell() and not path.read_bytes().endswith(b"\n"):
                file.write("\n")  # a crash cut the line before short
            file.write(json.dumps(asdict(version)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        durable.sync_folder(self._folder)

    def at_start(self, paths: Sequence[Path]) -> Loaded:
        """Give the policy that a start takes."""
        disk, last = from_disk(paths), self.last()
        if last is None:
            return disk
        if last.until_ns and last.back_to:
            return self.get(last.back_to).load()
        if last.disk == disk.sha256 and last.sha256 != disk.sha256:
            kept = self.get(last.version).load()
            return kept if kept.policy is not None else disk
        return disk
