"""Where something stands in a rules file. Offsets while parsing; lines and columns, counting from 1, once somebody wants to read them."""

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file: line and columns count from 1, `end_col` is the column after the last character."""

    file: str
    line: int
    col: int
    end_col: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


@dataclass(frozen=True, slots=True)
class Source:
    """A rules file's name and text, and where its lines begin."""

    file: str
    text: str
    starts: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        object.__setattr__(self, "starts", starts)

    def span(self, at: int, end: int) -> Span:
        """Give the place of the text from offset `at` to `end`; a place over several lines ends with its first."""
        line = bisect_right(self.starts, at)
        start = self.starts[line - 1]
        stop = self.starts[line] - 1 if line < len(self.starts) else len(self.text)
        return Span(self.file, line, at - start + 1, max(min(end, stop), at) - start + 1)

    def line(self, number: int) -> str:
        """Give the text of a line, without its end."""
        start = self.starts[number - 1]
        stop = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        return self.text[start:stop].rstrip("\r")
