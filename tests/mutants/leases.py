"""Who holds a session, and who may take it."""

from tests.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "Leases of processes on this host that are gone are freed at a start",
        "actions/rasa_kustomer/outbox/queue.py",
        "(other_pid == pid or not _alive(int(other_pid)))",
        "other_pid == pid",
        "tests/delivery/test_outbox.py",
    ),
]
