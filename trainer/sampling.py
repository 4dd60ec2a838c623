"""Responses from a provider's model: what is asked, and the file in which each request is noted before it is sent.

The file is the ledger: a line says that a request was sent and what it costs at worst, a later one what came of it.
Started again, what was answered is not asked again, and what was sent and never answered stays held: it may be billed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from feedback.records import Message
from judges.actions.asking import Answer, NoAnswer, Send
from judges.actions.ledger import Call, Sent, StoredReply
from judges.actions.pricing import NOTHING, Prices
from judges.core.request import Request

Key = tuple[int, int]
"""The prompt's place and the sample."""


@dataclass
class SampleLedger:
    """``texts`` by hash of the request; None where the model refused or failed for good. Dollars as in Generation."""

    path: Path
    prices: Prices
    budget: Decimal | None
    texts: dict[str, str | None] = field(default_factory=dict)
    spent: Decimal = NOTHING
    held: Decimal = NOTHING
    open: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, prices: Prices, budget: Decimal | None) -> "SampleLedger":
        """What earlier attempts noted; a line that a kill cut short never happened."""
        ledger = cls(path, prices, budget)
        lines = path.read_text().splitlines() if path.is_file() else []
        for line in lines:
            try:
                ledger._note(json.loads(line))
            except json.JSONDecodeError:
                continue
        ledger.held += sum(ledger.open.values(), NOTHING)
        ledger.open = {}
        return ledger

    def store(self, pieces: list[Any]) -> list[Any]:
        """Note what an Asker says, as one write; a Send for which there is no room in the budget gives None."""
        answers: list[Any] = []
        lines: list[dict[str, Any]] = []
        for piece in pieces:
            answer, line = self._line(piece)
            answers.append(answer)
            if line:
                lines.append(line)
                self._note(line)
        self._append(lines)
        return answers

    def _line(self, piece: Any) -> tuple[Any, dict[str, Any] | None]:
        match piece:
            case Send(call):
                known = self.texts.get(call.sha256)
                if known is not None:
                    return StoredReply(known, "stored"), None
                worst = self.prices.worst(call.request) or NOTHING
                under_way = sum(self.open.values(), NOTHING)
                if self.budget is not None and self.spent + self.held + under_way + worst > self.budget:
                    return None, None
                return Sent(worst), {"sent": call.sha256, "worst": str(worst)}
            case Answer(call, reply, _):
                cost = self.prices.cost(reply)
                told = None if reply.refusal else reply.text
                line: dict[str, Any] = {
                    "answered": call.sha256,
                    "text": told,
                    "cost": None if cost is None else str(cost),
                }
                return StoredReply(reply.text, reply.stop_reason), line
            case NoAnswer(call, failure, _, final):
                why = {"kind": failure.kind, "billed": failure.may_be_billed, "final": final}
                return None, {"failed": call.sha256, **why}
        raise TypeError(f"no piece of an asker: {piece!r}")

    def _note(self, line: Mapping[str, Any]) -> None:
        if "sent" in line:
            self.held += self.open.get(line["sent"], NOTHING)
            self.open[line["sent"]] = Decimal(line["worst"])
        elif "answered" in line:
            self.open.pop(line["answered"], None)
            self.texts[line["answered"]] = line["text"]
            self.spent += Decimal(line["cost"]) if line["cost"] is not None else NOTHING
        else:
            worst = self.open.pop(line["failed"], NOTHING)
            self.held += worst if line["billed"] else NOTHING
            if line["final"]:
                self.texts[line["failed"]] = None

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut = self.path.is_file() and self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a") as file:
            file.write("\n" * bool(cut) + "".join(json.dumps(line) + "\n" for line in lines))


def how_to_answer(provider: str, *, base_url: str, max_tokens: int, temperature: float) -> dict[str, Any]:
    """The arguments of ``start_generation`` that say how a provider answers, or a model version where there is none."""
    if not provider:
        return {"parameters": {"max_new_tokens": max_tokens, "temperature": temperature}}
    settings: dict[str, Any] = {"max_tokens": max_tokens} | ({"base_url": base_url} if base_url else {})
    return {"provider_settings": settings | ({"temperature": temperature} if provider == "openai" else {})}


def plain_call(
    provider: str, model: str, settings: Mapping[str, Any], prompt: Sequence[Message], sample: int
) -> Call:
    """The request for one plain answer to a conversation: no form, its system turns as the system text."""
    system = "\n\n".join(turn["content"] for turn in prompt if turn["role"] == "system")
    turns = tuple(
        {"role": turn["role"], "content": turn["content"]} for turn in prompt if turn["role"] != "system"
    )
    request = Request(provider, model, settings, system, turns, {}, (), sample, "", "answer")
    return Call(None, request, request.sha256())
