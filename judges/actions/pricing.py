"""What one judge's calls cost, in dollars, by the price table and the day: known, at worst, or unknown."""

import json
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from feedback.errors import Refused
from judges.core.configuration import own_price
from judges.core.prices import BadPrices, Price, PriceTable, price_table
from judges.core.providers import Provider, Reply
from judges.core.request import Request
from judges.models import Judge

NOTHING = Decimal(0)


def current_prices() -> PriceTable:
    """The package's table with the server's own. Refused where the server's can not be read."""
    try:
        return price_table(settings.VAR / "prices.toml")
    except BadPrices as bad:
        raise Refused(str(bad)) from None


@dataclass(frozen=True)
class Prices:
    """``price`` is that of the model which the judge asks for, None where it is not known; ``free`` needs none.

    ``max_tokens`` is the longest reply that its provider asks for. ``own``: the price is the judge's, whatever model
    is served and whatever the table says.
    """

    free: bool
    price: Price | None
    max_tokens: int
    own: bool = False

    @classmethod
    def of(cls, judge: Judge, provider: Provider) -> "Prices":
        most = getattr(provider, "max_tokens", 0)
        if judge.price is not None:
            price = own_price(judge.model, judge.price, judge.created_at.date())
            return cls(free=provider.free, price=price, max_tokens=most, own=True)
        found = None if provider.free else current_prices().price(judge.model, on=timezone.now().date())
        return cls(free=provider.free, price=found, max_tokens=most)

    def worst(self, request: Request, *, batch: bool = False) -> Decimal | None:
        """The most that the call can cost: a token a byte of the prompt, and the longest reply."""
        if self.free:
            return NOTHING
        return (
            None
            if self.price is None
            else self.price.worst(prompt_bytes(request), self.max_tokens, batch=batch)
        )

    def cost(self, reply: Reply, *, batch: bool = False) -> Decimal | None:
        if self.free:
            return NOTHING
        if self.own and self.price is not None:
            return self.price.cost(reply.usage, batch=batch)
        today = timezone.now().date()
        return current_prices().cost(reply.usage, model=reply.served_model, on=today, batch=batch)


def prompt_bytes(request: Request) -> int:
    """All that is sent to be read; no tokenizer makes more tokens than there are bytes."""
    texts = [request.system, *(message["content"] for message in request.messages)]
    return sum(len(text.encode()) + 8 for text in texts) + len(json.dumps(dict(request.schema)))
