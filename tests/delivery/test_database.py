"""Threads and connections of an outbox's database."""

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Database


async def test_a_transaction_that_comes_while_the_database_is_closed_keeps_its_connection(tmp_path: Path) -> None:
    """Closing a connection that another thread is using ends the process (segmentation fault in SQLite)."""
    database = Database(f"sqlite:///{tmp_path}/outbox.db")
    begun, go_on = (Event(), Event()), (Event(), Event())

    def work(number: int) -> Any:
        def transaction(connection: Connection) -> Any:
            begun[number].set()
            assert go_on[number].wait(60)
            return connection.value("SELECT count(*) FROM kustomer_record")

        return asyncio.create_task(database.run(transaction, reads=True))

    first = work(0)
    await asyncio.to_thread(begun[0].wait)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)  # it waits for the first
    second = work(1)
    await asyncio.to_thread(begun[1].wait)
    go_on[0].set()
    await closing
    go_on[1].set()

    assert (await first, await second) == (0, 0)
    await database.close()
