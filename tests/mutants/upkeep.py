"""What is done when nobody looks: background tasks, tidying up, counting, and the truth after something failed."""

from tests.mutants.mutant import Mutant

HANDOFF = "actions/rasa_kustomer/actions/handoff.py"
ACCEPTED = "tests/actions/test_accepted.py"
STATUS = "tests/actions/test_ticket_status.py"

MUTANTS = [
    Mutant(
        "E2 After it was accepted, a failure can only change created to queued",
        HANDOFF,
        "except Exception as error:  # noqa: BLE001 - the truth",
        "except ZeroDivisionError as error:  # noqa: BLE001 - the truth",
        f"{ACCEPTED} -k no_failure_takes",
    ),
    Mutant(
        "E2 A handoff that was not accepted in time does not come late",
        "actions/rasa_kustomer/delivery/outbox/transactor.py",
        "            if self._withdrawn:\n",
        "            if False:\n",
        f"{ACCEPTED} -k does_not_come_late",
    ),
    Mutant(
        "E2 A lost answer is looked up before anything is said",
        "actions/rasa_kustomer/actions/ticket.py",
        "        if known is None:\n            raise",
        "        raise",
        f"{ACCEPTED} -k answer_that_was_lost",
    ),
    Mutant(
        "E2 A handoff of which nothing is known is tried until it is there",
        "actions/rasa_kustomer/actions/ticket.py",
        "            call.keep_trying(ticket.session, ticket.records, escalate=True)\n",
        "",
        f"{ACCEPTED} -k nothing_is_known",
    ),
    Mutant(
        "E2 A second handoff that fails does not take the reference away",
        HANDOFF,
        'accepted = call.slots.get("kustomer_handoff_status") in {"queued", "created"}',
        "accepted = False",
        f"{ACCEPTED} -k asks_again",
    ),
    Mutant(
        "E2 Turns that a handoff could not record are kept",
        "actions/rasa_kustomer/actions/base.py",
        "            self.runtime.unrecorded.keep(*told)\n            raise",
        "            raise",
        f"{ACCEPTED} -k could_not_record",
    ),
    Mutant(
        "E3 A ticket that was deleted hides no other",
        "actions/rasa_kustomer/actions/ticket_status.py",
        "        except NotFound:\n            continue\n",
        "",
        f"{STATUS} -k hides_no_other",
    ),
    Mutant(
        "E3 A ticket that was merged is none any more",
        "actions/rasa_kustomer/kustomer/models.py",
        "self.deleted or bool(self.merged_target)",
        "self.deleted",
        STATUS,
    ),
    Mutant(
        "E3 An outage is still told as an outage",
        "actions/rasa_kustomer/actions/ticket_status.py",
        "            whole = False\n            continue",
        "            continue",
        f"{STATUS} -k outage",
    ),
    Mutant(
        "E3 A customer who was deleted since is met anew",
        "actions/rasa_kustomer/actions/customer.py",
        "        directory.forget(call.identity)\n",
        "",
        f"{STATUS} -k met_anew",
    ),
    Mutant(
        "E11 A look-up in the background ends quietly",
        "actions/rasa_kustomer/runtime.py",
        "        except Exception as error:  # noqa: BLE001 - asyncio would log",
        "        except ZeroDivisionError as error:  # noqa: BLE001 - asyncio would log",
        f"{STATUS} -k ends_quietly",
    ),
    Mutant(
        "A handoff wakes the breaker: the next probe is made at once",
        HANDOFF,
        "        call.runtime.breaker.probe_soon()\n",
        "",
        "tests/actions/test_handoff.py -k wakes_the_breaker",
    ),
]
