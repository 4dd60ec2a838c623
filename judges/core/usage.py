"""What a call used, in tokens by kind: between a provider's reply and the price table."""

from typing import NamedTuple


class Usage(NamedTuple):
    """Tokens that do not overlap: the prompt is ``input`` + ``cache_read`` + ``cache_write`` + ``cache_write_1h``.

    ``input`` and ``output`` are None where the provider did not say. ``cache_write`` is the provider's ordinary
    write to its cache, ``cache_write_1h`` the one that lasts an hour.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0

    @property
    def prompt(self) -> int | None:
        """All tokens of the prompt, cached or not; None where they are not known."""
        if self.input is None:
            return None
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h


NOTHING = Usage(0, 0)
UNKNOWN = Usage()
