"""The one place from which an asking loop writes: what has come together goes into one transaction at a time.

The loop runs in a thread of its own (``async_to_sync``); the database is used by the thread that called it. Whoever
writes waits until it is stored. Where the database is away for a while, what is to be written waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection, transaction

logger = logging.getLogger(__name__)
MOST = 200  # pieces a transaction: people at work on SQLite wait for one at most
PATIENCE = 60  # seconds that the database may be away


class Writer:
    """``store`` writes a group of pieces within a transaction and gives back one result each."""

    def __init__(self, store: Callable[[list[Any]], list[Any]]) -> None:
        self._store = store
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._wake = asyncio.Event()

    async def write(self, piece: Any) -> Any:
        """The piece's result, once it is stored."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((piece, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Write what comes, for ever."""
        while True:
            await self._wake.wait()
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not self._waiting:
                self._wake.clear()
            try:
                results = await sync_to_async(self._stored)([piece for piece, _ in group])
            except Exception as error:
                for _, future in group:
                    _tell(future, error)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    if not future.done():
                        future.set_result(result)

    def _stored(self, pieces: list[Any]) -> list[Any]:
        began = time.monotonic()
        while True:
            try:
                with transaction.atomic():
                    return self._store(pieces)
            except (OperationalError, InterfaceError) as error:
                if connection.in_atomic_block or time.monotonic() - began > PATIENCE:
                    raise
                logger.warning("The database is away (%s); what is to be stored waits for it.", error)
                connection.close()
                time.sleep(1)


def _tell(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
