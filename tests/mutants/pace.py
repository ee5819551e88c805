"""How urgent something is, what waits for what, and what is believed of rate limits."""

from tests.mutants.mutant import Mutant

PRODUCT = "actions/rasa_kustomer"
HURRY, BUDGET = "tests/delivery/test_hurry.py", "tests/delivery/test_rate_limit.py"
HANDOFFS = "tests/delivery/test_handoffs.py"

MUTANTS = [
    Mutant(
        "E4: how urgent a request is, is asked again while it waits",
        f"{PRODUCT}/delivery/rate_limit.py",
        "self._wait(mine.level)) <= 0",
        "self._wait(Priority.MIRROR)) <= 0",
        f"{BUDGET} -k let_through",
    ),
    Mutant(
        "E4: a handoff raises what its session has under way",
        f"{PRODUCT}/delivery/load.py",
        "self._priorities[session_id].raise_to(Priority.HANDOFF)",
        "pass",
        f"{HURRY} -k behind_a_turn",
    ),
    Mutant(
        "E4: a handoff leaves a bulk job",
        f"{PRODUCT}/delivery/load.py",
        "self._let_go(self._leases.pop(session_id))",
        "pass",
        f"{HURRY} -k takes_its_time",
    ),
    Mutant(
        "E4: a flight is as urgent as the most urgent who waits for it",
        f"{PRODUCT}/directory.py",
        "        flight.priority.join(current_priority())\n",
        "        flight.priority.join(WorkPriority(Priority.MIRROR)) if current_priority() else None\n",
        f"{HURRY} -k looked_up_for_two",
    ),
    Mutant(
        "E4: a session that was handed off while it failed does not wait",
        f"{PRODUCT}/outbox/leases.py",
        "THEN CAST(:until AS FLOAT) ELSE 0.0 END",
        "THEN CAST(:until AS FLOAT) ELSE CAST(:until AS FLOAT) END",
        f"{HURRY} -k fails_while",
    ),
    Mutant(
        "E4: a handoff of another process gets a probe at once",
        f"{PRODUCT}/delivery/scheduler.py",
        "            self._breaker.probe_soon()\n",
        "            pass\n",
        f"{HURRY} -k probe",
    ),
    Mutant(
        "E12: no more is begun at once than there are slots, the most urgent first",
        f"{PRODUCT}/kustomer/priority.py",
        "self._next() is not waiter or self._taken >=",
        "self._waiting[0] is not waiter or self._taken >=",
        "tests/kustomer/test_priority.py",
    ),
    Mutant(
        "E12: waiting for a slot is in no timeout of Kustomer's",
        f"{PRODUCT}/kustomer/transport.py",
        "pool=None),\n            limits=httpx.Limits(max_connections=None",
        "pool=0.1),\n            limits=httpx.Limits(max_connections=4",
        "tests/kustomer/test_priority.py",
    ),
    Mutant(
        "E16: the reset is compared with the answer's own date",
        f"{PRODUCT}/kustomer/rate_limits.py",
        "return now if theirs is None else theirs",
        "return now",
        "tests/kustomer/test_rate_limits.py",
    ),
    Mutant(
        "E17: an answer that says nothing changes nothing",
        f"{PRODUCT}/delivery/rate_limit.py",
        "        if not ours or remaining is None or remaining > self.limit:\n            return\n",
        "        if remaining is None:\n            self.remaining = None\n            return\n",
        f"{BUDGET} -k says_nothing",
    ),
    Mutant(
        "F31: pauses grow while 429s go on",
        f"{PRODUCT}/delivery/rate_limit.py",
        "self._pause * 2, FIRST_PAUSE_SECONDS",
        "self._pause, FIRST_PAUSE_SECONDS",
        f"{BUDGET} -k pauses_grow",
    ),
    Mutant(
        "F4: the list of teams is read anew when Kustomer refuses a team",
        f"{PRODUCT}/delivery/ticketing.py",
        "                self._teams.forget()",
        "                pass",
        f"{HANDOFFS} -k anew",
    ),
    Mutant(
        "F4: a note says which team it was",
        f"{PRODUCT}/delivery/ticketing.py",
        "            if refused:",
        "            if False:",
        f"{HANDOFFS} -k deleted_meanwhile",
    ),
    Mutant(
        "F22: how a team's name was typed does not matter",
        f"{PRODUCT}/conversation/texts.py",
        "one == other or folded(one) == folded(other)",
        "one == other",
        "tests/test_teams.py",
    ),
    Mutant(
        "F19: of many turns none goes before the ticket",
        f"{PRODUCT}/delivery/session.py",
        "if doubt or (handoff and self._too_many_turns(lease, quick=quick)):",
        "if doubt:",
        f"{HANDOFFS} -k many_turns",
    ),
    Mutant(
        "F19: a process sends no more than 120 messages of a customer a minute",
        f"{PRODUCT}/delivery/pace.py",
        "if len(sent) >= CUSTOMER_LIMIT:",
        "if len(sent) >= 10_000:",
        f"{HANDOFFS} -k messages_a_minute",
    ),
    Mutant(
        "A bulk job whose answer was lost gets a minute before its turns are sent again",
        f"{PRODUCT}/delivery/bulk_results.py",
        "        patience = DOUBT_SECONDS\n",
        "        patience = 0.0\n",
        "tests/delivery/test_bulk.py -k still_at_work",
    ),
    Mutant(
        "The heartbeat keeps the leases of sessions under way",
        f"{PRODUCT}/delivery/worker.py",
        "partial(self._outbox.heartbeat, self._at_hand())",
        "partial(self._outbox.heartbeat, set[int]())",
        f"{HURRY} -k longer_than_a_lease",
    ),
    Mutant(
        "A worker does not lease again what it is delivering",
        f"{PRODUCT}/delivery/scheduler.py",
        "closing=closing, but_not=keys)",
        "closing=closing)",
        f"{HURRY} -k taken_again",
    ),
    Mutant(
        "Turns that nobody waits for are gathered for 5 s",
        f"{PRODUCT}/delivery/pace.py",
        "return not 0 <= self._now() - self._spent_at < GATHER_SECONDS",
        "return True",
        "tests/delivery/test_pace.py -k gathered",
    ),
    Mutant(
        "Handoffs have places of their own",
        f"{PRODUCT}/delivery/scheduler.py",
        "HANDOFFS_AT_ONCE - self._busy(Priority.HANDOFF)",
        "HANDOFFS_AT_ONCE - self._busy(*Priority)",
        f"{HURRY} -k keep_no_handoff_out",
    ),
    Mutant(
        "There is a least gap between two requests of the mirror",
        f"{PRODUCT}/delivery/rate_limit.py",
        "if mine >= Priority.MIRROR:",
        "if False:",
        f"{BUDGET} -k least_gap",
    ),
]
