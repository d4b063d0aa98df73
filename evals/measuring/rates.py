"""Defines a rate with its floor or ceiling, its exact bounds, and the texts that missed it."""

from dataclasses import dataclass, field

from evals.measuring.stats import lower_bound, upper_bound


@dataclass(kw_only=True)
class BoundedRate:
    """A rate that must keep a floor or a ceiling, with the texts that speak against it."""

    name: str
    floor: float | None = None
    ceiling: float | None = None
    hits: int = 0
    of: int = 0
    missed: list[str] = field(default_factory=list)

    def count(self, text: str, *, hit: bool) -> None:
        self.hits += hit
        self.of += 1
        if hit is (self.floor is None):
            self.missed.append(text)

    @property
    def holds(self) -> bool:
        """Return whether the rate keeps its floor or ceiling; False when nothing was counted."""
        if not self.of:
            return False
        share = self.hits / self.of
        return share >= (self.floor or 0) if self.ceiling is None else share <= self.ceiling

    def line(self) -> str:
        low, high = lower_bound(self.hits, self.of), upper_bound(self.hits, self.of)
        said = f"{100 * self.hits / max(1, self.of):6.1f} % ({self.hits}/{self.of})"
        wanted = f"≥ {self.floor:.1%}" if self.ceiling is None else f"≤ {self.ceiling:.1%}"
        return (
            f"  {'ok  ' if self.holds else 'FAIL'} {self.name:<46}{said:<22}"
            f"{100 * low:.1f}–{100 * high:.1f} %   {wanted}"
        )
