"""Who holds a session, and who may take it."""

from tests.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "Leases of processes on this host that are gone are freed at a start",
        "actions/rasa_kustomer/outbox/leases.py",
        "(other_pid == pid or not _alive(int(other_pid)))",
        "other_pid == pid",
        "tests/delivery/test_outbox.py",
    ),
    Mutant(
        "A heartbeat locks its sessions in the order of all others",
        "actions/rasa_kustomer/outbox/leases.py",
        "leased_by = :owner ORDER BY id FOR UPDATE",
        "leased_by = :owner FOR UPDATE",
        "tests/delivery/test_outbox_postgres.py -k deadlocks",
    ),
    Mutant(
        "Conversations are begun in the order of their sessions' ids",
        "actions/rasa_kustomer/outbox/transitions.py",
        'sorted(leases, key=attrgetter("id"))',
        "list(leases)",
        "tests/delivery/test_outbox_postgres.py -k deadlocks",
    ),
    Mutant(
        "What is leased at the moment of a stop is given back",
        "actions/rasa_kustomer/delivery/worker.py",
        "            await asyncio.wait(self._tasks[:1], timeout=LEASE_SECONDS_AT_STOP)\n",
        "            pass\n",
        "tests/delivery/test_worker.py -k given_back",
    ),
    Mutant(
        "A connection in use is never closed",
        "actions/rasa_kustomer/outbox/database.py",
        "        threads, self._threads = self._threads, None\n",
        "        threads = self._threads\n",
        "tests/delivery/test_database.py",
    ),
]
