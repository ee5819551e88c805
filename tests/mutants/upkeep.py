"""What is done when nobody looks: background tasks, tidying up, counting, and the truth after something failed."""

from tests.mutants.mutant import Mutant

HANDOFF = "actions/rasa_kustomer/actions/handoff.py"
PLUGIN = "actions/rasa_kustomer/plugin.py"
LOOKUP = "actions/rasa_kustomer/lookup.py"
ACCEPTED = "tests/actions/test_accepted.py"
RETENTION = "actions/rasa_kustomer/outbox/retention.py"
TIDYING = "actions/rasa_kustomer/outbox/tidying.py"
TESTS = "tests/delivery"
STATUS = "tests/actions/test_ticket_status.py"

MUTANTS = [
    Mutant(
        "E2 After it was accepted, a failure can only change created to queued",
        PLUGIN,
        "except Exception as error:  # noqa: BLE001 - the truth",
        "except ZeroDivisionError as error:  # noqa: BLE001 - the truth",
        f"{ACCEPTED} -k no_failure_takes",
    ),
    Mutant(
        "E2 A handoff that was not accepted in time does not come late",
        "actions/rasa_kustomer/outbox/database.py",
        "        if not begun.running() and not begun.set_running_or_notify_cancel():\n",
        "        if not begun.running() and not begun.cancelled() and not begun.set_running_or_notify_cancel():\n",
        f"{ACCEPTED} -k does_not_come_late",
    ),
    Mutant(
        "E2 A lost answer is looked up before anything is said",
        PLUGIN,
        "            if known is None:\n                raise",
        "            raise",
        f"{ACCEPTED} -k answer_that_was_lost",
    ),
    Mutant(
        "E2 A handoff of which nothing is known is tried until it is there",
        PLUGIN,
        "                self._keep_trying(ticket.session, identity, ticket.records, escalate=True)\n",
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
        "actions/rasa_kustomer/recorder.py",
        "            self._keep(turns)\n            raise",
        "            raise",
        f"{ACCEPTED} -k could_not_record",
    ),
    Mutant(
        "E3 A ticket that was deleted hides no other",
        LOOKUP,
        "            except NotFound:\n                continue\n",
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
        LOOKUP,
        "                whole = False\n                continue",
        "                continue",
        f"{STATUS} -k outage",
    ),
    Mutant(
        "E3 A customer who was deleted since is met anew",
        LOOKUP,
        "            self._directory.forget(identity)\n",
        "",
        f"{STATUS} -k met_anew",
    ),
    Mutant(
        "E11 A look-up in the background ends quietly",
        "actions/rasa_kustomer/background.py",
        "        except Exception as error:  # noqa: BLE001 - asyncio would log",
        "        except ZeroDivisionError as error:  # noqa: BLE001 - asyncio would log",
        f"{STATUS} -k ends_quietly",
    ),
    Mutant(
        "A handoff wakes the breaker: the next probe is made at once",
        "actions/rasa_kustomer/delivery/scheduler.py",
        "            self._breaker.probe_soon()\n",
        "            pass\n",
        "tests/actions/test_handoff.py -k wakes_the_breaker",
    ),
    Mutant(
        "E6 What the retention removes, it removes with who it was",
        RETENTION,
        "AS s SET identity = :emptied",
        "AS s SET identity = identity",
        f"{TESTS}/test_tidying.py -k removed_whole",
    ),
    Mutant(
        "E6 What is deleted cannot be read from the log",
        RETENTION,
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA wal_checkpoint(PASSIVE)",
        f"{TESTS}/test_tidying.py -k removed_whole",
    ),
    Mutant(
        "E6 Whoever has something waiting is still delivered to the right customer",
        TIDYING,
        "s.open_since IS NULL AND s.accepted > 0 AND NOT {_WAITS}",
        "s.accepted > 0",
        f"{TESTS}/test_tidying.py -k right_customer",
    ),
    Mutant(
        "E6 Dead records lose their texts",
        RETENTION,
        "SET payload = :payload, reason = :wiped",
        "SET kustomer_id = :payload, reason = :wiped",
        f"{TESTS}/test_tidying.py -k loses_its_text",
    ),
    Mutant(
        "E6 Whoever comes again is known again, also in a process that remembers them",
        "actions/rasa_kustomer/outbox/append.py",
        ' or (update is IdentityUpdate.ALWAYS and found["identity"] != opening["identity"])',
        "",
        f"{TESTS}/test_tidying.py -k still_needs",
    ),
    Mutant(
        "E7 A surprise does not end what is done by the clock",
        "actions/rasa_kustomer/delivery/housekeeping.py",
        "except Exception as error:  # noqa: BLE001",
        "except ZeroDivisionError as error:  # noqa: BLE001",
        f"{TESTS}/test_housekeeping.py -k surprise_does_not_end",
    ),
    Mutant(
        "E7 A surprise with one row costs that row",
        TIDYING,
        "    except Exception:  # noqa: BLE001 - told below, row by row",
        "    except ZeroDivisionError:",
        f"{TESTS}/test_tidying.py -k surprise_with_one_row",
    ),
    Mutant(
        "E7 An identity that cannot be read holds up no other session",
        "actions/rasa_kustomer/outbox/leases.py",
        'identity=known_identity(row["identity"])',
        'identity=__import__("json").loads(row["identity"])',
        f"{TESTS}/test_tidying.py -k identity_that_cannot",
    ),
    Mutant(
        "E7 A turn that cannot be read does not spoil a bulk job",
        "actions/rasa_kustomer/delivery/bulk_plan.py",
        "if not plan.is_sound(record.payload):",
        "if False:",
        f"{TESTS}/test_tidying.py -k costs_itself_only",
    ),
    Mutant(
        "E10 Health costs the same however old the outbox is",
        "actions/rasa_kustomer/outbox/admin.py",
        "(tally.read if kept else tally.exact)(c)",
        "tally.exact(c)",
        f"{TESTS}/test_tally.py -k however_old",
    ),
    Mutant(
        "E10 Purged records stay counted",
        "actions/rasa_kustomer/outbox/tally.py",
        "delivered = delivered + NEW.purged - OLD.purged",
        "delivered = delivered",
        f"{TESTS}/test_tally.py -k sums_are_right",
    ),
    Mutant(
        "E10 An outbox of release 0.1 is counted once",
        "actions/rasa_kustomer/outbox/tally.py",
        "    recount(c)  # last",
        "    pass  # last",
        f"{TESTS}/test_tally.py -k release_0_1_is_counted",
    ),
    Mutant(
        "E13 All that is idle is queued in the round in which it is due",
        "actions/rasa_kustomer/delivery/housekeeping.py",
        "        while await self._outbox.maintenance.close_idle(",
        "        if await self._outbox.maintenance.close_idle(",
        f"{TESTS}/test_housekeeping.py -k in_the_round",
    ),
    Mutant(
        "E13 Many are closed with one request",
        "actions/rasa_kustomer/delivery/scheduler.py",
        "if together and closable(one)",
        "if False",
        f"{TESTS}/test_closings.py -k with_one_request",
    ),
    Mutant(
        "E13 Words that come before it is sent keep the conversation open",
        "actions/rasa_kustomer/delivery/closings.py",
        "if spoken or (lease.escalated",
        "if (lease.escalated",
        f"{TESTS}/test_closings.py -k before_it_is_sent",
    ),
    Mutant(
        "E13 A job that closed a ticket late is made good",
        "actions/rasa_kustomer/delivery/bulk_results.py",
        "        if lease.escalated:  # a closing",
        "        if False:  # a closing",
        f"{TESTS}/test_closings.py -k open_in_the_end",
    ),
    Mutant(
        "A purge keeps the records of chats that still go on",
        RETENTION,
        "AND r.settled_at < :before AND s.last_turn_at < :before",
        "AND r.settled_at < :before",
        f"{TESTS}/test_outbox.py -k still_go_on",
    ),
    Mutant(
        "Leases of processes on other hosts are not freed at a start",
        "actions/rasa_kustomer/outbox/leases.py",
        "name != self.owner and other_host == host and (",
        "name != self.owner and (",
        f"{TESTS}/test_outbox.py -k other_hosts",
    ),
    Mutant(
        "A stopped worker can be started again",
        "actions/rasa_kustomer/delivery/worker.py",
        "            self._stopping = False\n",
        "",
        f"{TESTS}/test_closings.py -k started_again",
    ),
    Mutant(
        "Our requests stay out of the HTTP library's log",
        "actions/rasa_kustomer/kustomer/network.py",
        "record.levelno >= logging.WARNING or not _our_request.get()",
        "True",
        "tests/kustomer/test_quiet.py",
    ),
]
