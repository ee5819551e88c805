"""Who somebody is, and whose words are whose."""

from tests.mutants.mutant import Mutant

IDENTIFIERS = "actions/rasa_kustomer/conversation/identifiers.py"
IDENTITY = "actions/rasa_kustomer/conversation/identity.py"
NOBODY = "actions/rasa_kustomer/conversation/nobody.py"
PEOPLE = "actions/rasa_kustomer/conversation/people.py"
READ = "tests/conversation/test_identifiers.py"
SPEAK = "tests/actions/test_people.py"

MUTANTS = [
    Mutant(
        "A trusted identity is never filled up from slots that anybody may have typed",
        IDENTITY,
        "        if person := now or at_start:\n            return person\n",
        "        if person := now or at_start:\n"
        "            return person.completed(_read(sender_id, [slots], names, phone_region, trusted=False))\n",
        "tests/conversation/test_identity.py -k metadata_alone",
    ),
    Mutant(
        "The company's own id tells people apart who share an address, in session and message metadata",
        IDENTITY,
        "        if self.external_id and other.external_id:\n",
        "        if False:\n",
        "tests/conversation/test_identity.py",
    ),
    Mutant(
        "F2 A number without country code is valid in its region",
        IDENTIFIERS,
        "match.start in valid and ",
        "",
        f"{READ} {SPEAK}",
    ),
    Mutant(
        "F2 A number with a country code is possible in full",
        IDENTIFIERS,
        "!= ValidationResult.IS_POSSIBLE:",
        "not in {ValidationResult.IS_POSSIBLE, ValidationResult.IS_POSSIBLE_LOCAL_ONLY}:",
        READ,
    ),
    Mutant(
        "F2 One digit over and over is a placeholder",
        IDENTIFIERS,
        "len(set(phonenumbers.national_significant_number(number))) > 1",
        "True",
        READ,
    ),
    Mutant("F2 A date is no number", IDENTIFIERS, "_DATE.fullmatch(raw) or ", "", READ),
    Mutant(
        "F2 What programs write without a value is no customer",
        IDENTIFIERS,
        " or stands_for_nobody(text):",
        ":",
        f"{READ} {SPEAK}",
    ),
    Mutant(
        "F2 A guest who is only numbered is nobody, a guest house is somebody",
        NOBODY,
        "len(named) == len(words) or not _GUESTS.isdisjoint(named)",
        "len(named) == len(words)",
        READ,
    ),
    Mutant(
        "F8 A list with one distinct value is that value, one with two is none",
        IDENTIFIERS,
        "return next(iter(found)) if len(found) == 1 else None",
        "return next(iter(found), None)",
        READ,
    ),
    Mutant(
        "F9 What goes around an address is no part of it",
        IDENTIFIERS,
        "token = piece.strip(around)",
        "token = piece",
        READ,
    ),
    Mutant(
        "F9 A value that was not understood is told in the note",
        "actions/rasa_kustomer/conversation/handoff.py",
        "    remarks += unread_slots(not_understood(slots, settings.names, settings.phone_region), facts.slots)\n",
        "",
        f"{SPEAK} -k understood",
    ),
    Mutant(
        "F20 Another person has a conversation of their own",
        PEOPLE,
        "return self._replace(known=(*self.known, Person(person, mark_of(person))), at=len(self.known), named=None)",
        "return self._replace(known=(Person(person),), named=None)",
        SPEAK,
    ),
    Mutant(
        "F20 Who comes back goes on in their own conversation",
        PEOPLE,
        "first_asked = [self.at, *(index for index in range(len(self.known)) if index != self.at)]",
        "first_asked = [self.at]",
        SPEAK,
    ),
    Mutant(
        "F20 What is told of the next session does not change the one that ends",
        PEOPLE,
        "return self._replace(next=named) if self.heard else begun_with(named) if named else self",
        "return begun_with(named) if named else self",
        SPEAK,
    ),
    Mutant(
        "F20 Who signs in takes the conversation along",
        "actions/rasa_kustomer/records.py",
        "        if part.signed_in and part.person.identity:\n",
        "        if False:\n",
        f"{SPEAK} -k need_not_hand_off",
    ),
    Mutant(
        "F20 A reading that begins in the middle asks the outbox who spoke",
        "actions/rasa_kustomer/reading.py",
        "        people = await self._people_before(sender_id, events, cursor) if self._vouched else None\n",
        "        people = None\n",
        "tests/events/test_people.py",
    ),
    Mutant(
        "F20 The note of one person holds no word of another",
        PEOPLE,
        'if mark == current or event.kind not in {"user", "bot"}]',
        "]",
        f"{SPEAK} -k own",
    ),
    Mutant(
        "F20 Nobody hears of another's ticket",
        "actions/rasa_kustomer/lookup.py",
        "        return owner.is_same_person(asker)\n",
        "        return True\n",
        f"{SPEAK} tests/actions/test_ticket_status.py",
    ),
    Mutant(
        "F21 Joiners stay in names and ids",
        IDENTIFIERS,
        'if unicodedata.category(one) != "Cf" or _joins(one):',
        'if unicodedata.category(one) != "Cf":',
        READ,
    ),
    Mutant(
        "F23 A float that stands for several numbers is no id",
        IDENTIFIERS,
        "value.is_integer() and abs(value) < _FIRST_INEXACT",
        "value.is_integer()",
        READ,
    ),
    Mutant(
        "An address that Kustomer refuses does not make two senders one",
        "actions/rasa_kustomer/directory.py",
        "elif identity.anonymous or identity.external_id:",
        "elif True:",
        "tests/test_directory.py -k refuses",
    ),
    Mutant(
        "A conversation goes to who is known when it is moved, not to who was known when its session was leased",
        "actions/rasa_kustomer/delivery/session.py",
        'lease.identity = known["identity"]',
        "pass",
        "tests/delivery/test_worker.py -k signs_in_after",
    ),
    Mutant(
        "Whom a message without words names counts only when something is said",
        PEOPLE,
        " if said_by_user(event) else people",
        "",
        "tests/events/test_people.py -k without_words",
    ),
    Mutant(
        "What a message without words tells of a person counts with the bot's answer",
        PEOPLE,
        'if event.kind == "bot" and self.named and said_by_bot(event):',
        "if False:",
        "tests/events/test_people.py -k answer",
    ),
    Mutant(
        "Whom the latest message names is not taken for who said the words before it",
        "actions/rasa_kustomer/configuration.py",
        "None if names_somebody(sender_id, message_metadata) else message_metadata",
        "message_metadata",
        "tests/events/test_people.py -k words_before",
    ),
    Mutant(
        "Who speaks by their own account is stored without new words, too",
        "actions/rasa_kustomer/recorder.py",
        "if place and not reading.sessions and identity != place.claimed and not reached.people.known:",
        "if False:",
        "tests/events/test_people.py -k own_account",
    ),
    Mutant(
        "Who lags behind others takes nobody's identity back",
        "actions/rasa_kustomer/outbox/append.py",
        'if added or c.value(_LATEST, session_id=found["id"]) == reached[-1]:',
        "if True:",
        "tests/events/test_people.py -k lags",
    ),
    Mutant(
        "Whoever spoke last is recorded last, so that a new process finds them again",
        "actions/rasa_kustomer/conversation/messages.py",
        "self._messages.pop(mark, [])",
        "self._messages.get(mark, [])",
        "tests/events/test_people.py -k spoke_last",
    ),
    Mutant(
        "The broker keeps what named somebody who has said nothing so far",
        "actions/rasa_kustomer/events/stream.py",
        "sender.exported is not None or await self._recorder.is_kept(sender_id)",
        "True",
        "tests/events/test_people.py -k said_nothing",
    ),
    Mutant(
        "Visitors who never speak do not hold up the event stream",
        "actions/rasa_kustomer/events/stream.py",
        " or held > MAX_HELD",
        "",
        "tests/events/test_stream.py -k never_speak",
    ),
]
