"""PandaLM and LLMBar as policies see them, with people who judged a part: for the tables and the promise."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignment.policy.verdicts import RaterFacts, Verdicts
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE, encode

CODES = {"1": FIRST, "2": SECOND, "tie": TIE, None: MISSING}
# LLMBar has known answers and no people. Three are played: each gives the known answer to so large a share of the pairs
# (the agreement of the authors' own experts with it; Zeng et al. 2024), else the other.
LLMBAR_PEOPLE = 0.94
LLMBAR_JUDGES = (
    "GPT-4/Metrics_Reference",
    "GPT-4/Vanilla",
    "ChatGPT/Vanilla",
    "PaLM2/Metrics_Reference",
    "PaLM2/Vanilla",
    "LLaMA2/Vanilla",
)


@dataclass(frozen=True)
class Labelled:
    """``people`` and ``judges`` (raters × comparisons) hold verdicts, MISSING where there is none; ``truth`` is what
    labels are held against, ``names`` the judges'."""

    name: str
    people: np.ndarray
    judges: np.ndarray
    names: list[str]
    truth: np.ndarray
    prompts: np.ndarray

    def part(self, rng: np.random.Generator, share: float) -> np.ndarray:
        """The comparisons of a random share of the prompts."""
        drawn: np.ndarray = (rng.random(int(self.prompts.max()) + 1) < share)[self.prompts]
        return drawn

    def verdicts(self, asked: np.ndarray) -> Verdicts:
        """What is known when people judged the comparisons under the mask."""
        said = np.vstack([self.people, self.judges])
        raters, n = said.shape
        comparison, rater, verdict = (
            np.repeat(np.arange(n), raters),
            np.tile(np.arange(raters), n),
            said.T.ravel(),
        )
        kept = (verdict != MISSING) & ((rater >= len(self.people)) | asked[comparison])
        return Verdicts(
            comparison_ids=np.arange(n),
            prompts=self.prompts,
            slices={},
            people=np.arange(raters) < len(self.people),
            judgment_ids=np.flatnonzero(kept),
            comparison=comparison[kept],
            rater=rater[kept],
            verdict=verdict[kept],
            rankings=encode([]).rankings,
        )

    @property
    def facts(self) -> list[RaterFacts]:
        """Judges of one model are of one family."""
        return [RaterFacts() for _ in self.people] + [
            RaterFacts(family=name.split("/")[0]) for name in self.names
        ]


def pandalm(folder: Path) -> Labelled:
    """999 pairs on 170 prompts, three people, two judges; the truth is what most of the people say."""
    rows = _rows(folder / "pandalm" / "comparisons.jsonl")
    people = np.array([[CODES[row["human"][name]] for row in rows] for name in rows[0]["human"]])
    names = list(rows[0]["judge"])
    judges = np.array([[CODES[row["judge"][name]["verdict"]] for row in rows] for name in names])
    truth = np.array([np.bincount(said, minlength=3).argmax() for said in people.T])
    place: dict[tuple[str, str], int] = {}
    prompts = np.array([place.setdefault((row["instruction"], row["input"]), len(place)) for row in rows])
    return Labelled("PandaLM", people, judges, names, truth, prompts)


def llmbar(folder: Path) -> Labelled:
    """419 pairs; a judge's verdict is what it says in both orders, none where they differ."""
    rows = _rows(folder / "llmbar" / "comparisons.jsonl")
    truth = np.array([CODES[row["gold"]] for row in rows])
    rng = np.random.default_rng(0)
    people = np.array([np.where(rng.random(len(rows)) < LLMBAR_PEOPLE, truth, 1 - truth) for _ in range(3)])
    judges = np.array([[_both(row["judge"][name]) for row in rows] for name in LLMBAR_JUDGES])
    return Labelled("LLMBar", people, judges, list(LLMBAR_JUDGES), truth, np.arange(len(rows)))


def _both(said: dict[str, str | None]) -> int:
    one, two = said["order_12"], said["order_21"]
    return CODES[one] if one == two else MISSING


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
