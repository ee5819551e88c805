"""What a conversation costs of the request rate_limiter."""

from tests.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "A session start makes nobody: customers are made together, later",
        "actions/rasa_kustomer/lookup.py",
        "customer = await self._directory.look_up(identity, fresh=identity.trusted) or known",
        "customer = await self._directory.get_or_create(identity)",
        "tests/actions/test_customer.py",
    ),
    Mutant(
        "A session start tells what is open now, not what was when the customer was last asked for",
        "actions/rasa_kustomer/lookup.py",
        "fresh=identity.trusted",
        "fresh=False",
        "tests/actions/test_customer.py",
    ),
    Mutant(
        "Whoever is identified at a session start and is not in Kustomer is made",
        "actions/rasa_kustomer/delivery/newcomers.py",
        "self._expected[cache_key(identity)] = identity",
        "pass",
        "tests/delivery/test_newcomers.py",
    ),
    Mutant(
        "Mirrored chats do not count as open conversations of a customer",
        "actions/rasa_kustomer/lookup.py",
        "if not (counts is None or counts.open or (counts.all and last is None)):",
        "if not (counts is None or (counts.all and last is None)):",
        "tests/actions/test_customer.py",
    ),
    Mutant(
        "Results that tell of every item end a job without a look at its status",
        "actions/rasa_kustomer/delivery/bulk_jobs.py",
        "if all(item in told for item in items):",
        "if not items:",
        "tests/delivery/test_bulk.py -k many_chats",
    ),
    Mutant(
        "Results that tell of some items only do not end a job",
        "actions/rasa_kustomer/delivery/bulk_jobs.py",
        "if all(item in told for item in items):",
        "if any(item in told for item in items):",
        "tests/delivery/test_bulk_jobs.py",
    ),
]
