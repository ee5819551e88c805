"""What of a customer's words may be kept."""

from tests.mutants.mutant import Mutant

CARDS = "actions/rasa_kustomer/privacy/cards.py"
FOUND = "tests/privacy/test_cards.py"
EVERYWHERE = "tests/actions/test_masked.py"

MUTANTS = [
    Mutant(
        "A text is masked before it is recorded",
        "actions/rasa_kustomer/conversation/messages.py",
        "split(self._mask(text))",
        "split(text)",
        f"{EVERYWHERE} tests/events/test_masked.py",
    ),
    Mutant(
        "The agent's note is masked",
        "actions/rasa_kustomer/conversation/handoff.py",
        "note=settings.mask(summary(facts, reference=reference, priority=priority, person=person, remarks=remarks)),",
        "note=summary(facts, reference=reference, priority=priority, person=person, remarks=remarks),",
        EVERYWHERE,
    ),
    Mutant(
        "A ticket's subject is masked",
        "actions/rasa_kustomer/conversation/handoff.py",
        'about = settings.mask(" ".join((facts.reason or facts.topic or "the customer asked for a person").split()))',
        'about = " ".join((facts.reason or facts.topic or "the customer asked for a person").split())',
        EVERYWHERE,
    ),
    Mutant("A card's check digit is right", CARDS, "(these[end] - these[start]) % 10 == 0", "True", FOUND),
    Mutant("A card is no part of a longer number", CARDS, "if one in ends and _checks", "if _checks", FOUND),
    Mutant("An IBAN is no card", CARDS, "[*find_ibans(plain), *(", "[*(", FOUND),
    Mutant("What follows a plus sign is a phone number", CARDS, '] == "+":', '] == "?":', FOUND),
    Mutant(
        "Only what begins as an issuer's card may be one",
        CARDS,
        "if first <= beginning[: len(first)] <= last",
        "if True",
        FOUND,
    ),
    Mutant(
        "A new outbox can be read by its owner only",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "os.O_CREAT | os.O_WRONLY, PRIVATE_FILE",
        "os.O_CREAT | os.O_WRONLY, 0o644",
        "tests/privacy/test_private_files.py",
    ),
    Mutant(
        "A new outbox lies in a folder of its owner's",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "exist_ok=True, mode=PRIVATE_FOLDER",
        "exist_ok=True",
        "tests/privacy/test_private_files.py",
    ),
    Mutant(
        "A web address holds no card",
        CARDS,
        ", *(one.span() for one in _ADDRESS.finditer(plain))]",
        "]",
        FOUND,
    ),
    Mutant(
        "Words that follow an IBAN do not hide it",
        CARDS,
        'text = text.rpartition(" ")[0]',
        'text = ""',
        "tests/privacy/test_masking.py",
    ),
]
