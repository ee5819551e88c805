"""What was said, on which channel, and what goes on into the next session."""

from tests.mutants.mutant import Mutant

CONVERSATION = "actions/rasa_kustomer/conversation"

MUTANTS = [
    Mutant(
        "F10: several turns that are taken back in a row are taken back one by one",
        f"{CONVERSATION}/carried.py",
        """            _take_back(steps, _USER)
            _take_back(steps, _ACTION)
""",
        """            _take_back(steps, _USER)
""",
        "tests/conversation/test_carried.py",
    ),
    Mutant(
        "F10: a form's repeated runs are one for what takes a turn back",
        f"{CONVERSATION}/carried.py",
        "and name in loops and _runs_again(steps, name)",
        "and name in loops and False",
        "tests/conversation/test_carried.py",
    ),
    Mutant(
        "F5: what Twilio writes before the sender's id says the channel",
        f"{CONVERSATION}/channels.py",
        "if address := _ADDRESS.match(sender_id):",
        "if address := _ADDRESS.match(''):",
        "tests/conversation/test_channels.py",
    ),
    Mutant(
        "F5: the sender's id reaches the channel",
        f"{CONVERSATION}/messages.py",
        "kustomer_channel(input_channel, self._sender_id, self._named_channels)",
        'kustomer_channel(input_channel, "", self._named_channels)',
        "tests/conversation/test_channels.py",
    ),
    Mutant(
        "F6: a word that says the channel goes before a vendor's",
        f"{CONVERSATION}/channels.py",
        "for known in (_BY_WORD, _BY_VENDOR):",
        "for known in (_BY_VENDOR, _BY_WORD):",
        "tests/conversation/test_channels.py",
    ),
    Mutant(
        "F6: changes of case part words",
        f"{CONVERSATION}/channels.py",
        "_CHANGE_OF_CASE.split(part)",
        "[part]",
        "tests/conversation/test_channels.py",
    ),
    Mutant(
        "F6: an admin's word for a channel reaches the recorded turns",
        "actions/rasa_kustomer/runtime.py",
        "Trackers(outbox, configuration.vouched, named_channels=settings.channels, mask=configuration.mask)",
        "Trackers(outbox, configuration.vouched, mask=configuration.mask)",
        "tests/actions/test_long_trackers.py",
    ),
    Mutant(
        "F7: what a connector sent without words is a turn",
        f"{CONVERSATION}/rendering.py",
        "or NO_TEXT if sent or has_metadata(event)",
        "or NO_TEXT if has_metadata(event)",
        "tests/conversation/test_attachments.py",
    ),
    Mutant(
        "F7: the address of the user's picture is nothing that was sent",
        f"{CONVERSATION}/attachments.py",
        'return not any(word in path for word in ("profile", "avatar"))',
        "return True",
        "tests/conversation/test_attachments.py",
    ),
    Mutant(
        "F7: no address shows a key",
        f"{CONVERSATION}/attachments.py",
        "address = secret.sub(instead, address)",
        "pass",
        "tests/conversation/test_attachments.py",
    ),
    Mutant(
        "F18: a title that is not remembered is looked up once for all texts",
        f"{CONVERSATION}/messages.py",
        "if self._earlier_offers is None:",
        "if True:",
        "tests/conversation/test_reading_on.py",
    ),
    Mutant(
        "F18: many new turns are recorded in slices",
        "actions/rasa_kustomer/records.py",
        "MESSAGES_AT_ONCE = 500",
        "MESSAGES_AT_ONCE = 500_000",
        "tests/actions/test_long_trackers.py",
    ),
    Mutant(
        "F18: a long tracker is read in slices",
        f"{CONVERSATION}/messages.py",
        "EVENTS_AT_ONCE = 2_000",
        "EVENTS_AT_ONCE = 2_000_000",
        "tests/actions/test_long_trackers.py",
    ),
    Mutant(
        "F22: a rule's values are compared as people read them",
        f"{CONVERSATION}/routing.py",
        "any(folded(one) in wanted for one in found)",
        "any(one.strip().casefold() in wanted for one in found)",
        "tests/conversation/test_routing.py",
    ),
    Mutant(
        "F28: of an exported session that is known nothing is recorded",
        "actions/rasa_kustomer/events/exported.py",
        "        if self._taken[session.key]:",
        "        if True:",
        "tests/events/test_exported.py",
    ),
    Mutant(
        "F28: what was decided for an exported session holds for all of it",
        "actions/rasa_kustomer/events/exported.py",
        "            if session.key not in self._taken:",
        "            if True:",
        "tests/events/test_exported.py",
    ),
    Mutant(
        "F28: times may be moved of what a connector numbered",
        "actions/rasa_kustomer/events/exported.py",
        "return bool(texts) and any(",
        "return False and any(",
        "tests/events/test_exported.py",
    ),
    Mutant(
        "F29: copies of events that were read before are known",
        f"{CONVERSATION}/places.py",
        "set() if moment[1] > self.latest else self._before(moment)",
        "set()",
        "tests/conversation/test_copies.py",
    ),
    Mutant(
        "F29: other buttons at the same time are another message",
        f"{CONVERSATION}/places.py",
        'json.dumps(content, sort_keys=True) if content else ""',
        '""',
        "tests/conversation/test_copies.py",
    ),
    Mutant(
        "F30: rows of buttons are shown",
        f"{CONVERSATION}/choices.py",
        "return [choice for inner in value for choice in offered(inner, words=words, depth=depth + 1)]",
        "return [one for inner in value if isinstance(inner, Mapping) and (one := _choice(inner))]",
        "tests/conversation/test_choices.py",
    ),
    Mutant(
        "F30: a word that people type is a press only as the answer",
        f"{CONVERSATION}/choices.py",
        "(offer.turn != self._turn and not for_machines(value))",
        "False",
        "tests/conversation/test_choices.py",
    ),
    Mutant(
        "E20: what was offered outlives the events of its session",
        "actions/rasa_kustomer/reading.py",
        "offers = self._offers.get(sender_id)",
        "offers = None",
        "tests/events/test_same_as_hook.py::test_a_button_of_the_session_before_is_known_to_both",
    ),
]
