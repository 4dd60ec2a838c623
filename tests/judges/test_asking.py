"""What an asker leaves behind when something breaks under it: every reply that came is stored."""

import asyncio
from dataclasses import dataclass

import pytest
from asgiref.sync import async_to_sync

from judges.actions.asking import Answer, Stop, open_asker
from judges.actions.ledger import Call
from judges.core.providers import Reply
from judges.core.rendering import JudgeText, render


@dataclass
class BreaksOnce:
    """A provider that breaks under the first request, and answers the others a moment later."""

    asked: int = 0
    free = True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *raised):
        pass

    async def ask(self, request):
        self.asked += 1
        number = self.asked
        if number == 1:
            raise RuntimeError("broken")
        await asyncio.sleep(0.05)
        return Reply(text="{}", stop_reason="end_turn", served_model="m")


@pytest.mark.django_db
def test_replies_that_came_beside_something_that_broke_are_stored():
    requests = [render(JudgeText("rules", "m", {}, ""), [], [f"a{n}", "b"], shown=(0, 1)) for n in range(20)]
    calls = [Call(n, request, request.sha256()) for n, request in enumerate(requests)]
    stored = []

    def store(pieces):
        stored.extend(piece for piece in pieces if isinstance(piece, Answer))
        return [None] * len(pieces)

    async def ask():
        async with open_asker(BreaksOnce(), Stop(), store, {}) as asker:
            await asyncio.gather(*map(asker.reply_to, calls))

    with pytest.raises(RuntimeError, match="broken"):
        async_to_sync(ask)()
    assert {piece.call.comparison_id for piece in stored} == set(range(1, 20))
