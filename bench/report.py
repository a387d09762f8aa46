"""How a measurement is printed: what, how much, and the ratio against its bar."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Line(NamedTuple):
    what: str
    figure: str
    ratio: float | None = None
    sense: Literal[">=", "<=", ""] = ""
    bar: float = 0.0

    def verdict(self) -> str:
        if self.ratio is None:
            return ""
        met = self.ratio >= self.bar if self.sense == ">=" else self.ratio <= self.bar
        return f"ratio {self.ratio:.2f}, bar {self.sense} {self.bar:g}: {'met' if met else 'MISSED'}"


def report(title: str, *lines: Line) -> None:
    print(f"\n{title}")
    for line in lines:
        print(f"  {line.what:<52} {line.figure:>14}  {line.verdict()}", flush=True)
