"""Damage, files that are replaced, and answers that come late."""

from tests.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "E1: damage that recording meets is handled there and then",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "            return self._replace(work, writes=writes)\n",
        "            raise error\n",
        "tests/delivery/test_damage.py -k meets_damage_is_in",
    ),
    Mutant(
        "E1: a process notices that the file at the path is another one",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "if self._driver is not None and not self._is_current():",
        "if self._driver is None:",
        "tests/delivery/test_damage.py -k by_hand",
    ),
    Mutant(
        "E1: who only looks renames nothing",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "if damaged and self._access is Access.SERVE:",
        "if damaged:",
        "tests/delivery/test_damage.py -k only_looks",
    ),
    Mutant(
        "E1: the log of a file that is gone is kept",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "                    damage.keep_logs(path.resolve())\n",
        "",
        "tests/delivery/test_damage.py -k by_hand",
    ),
    Mutant(
        "E1: a driver's refusal of a value is translated",
        "actions/rasa_kustomer/outbox/sqlite.py",
        "sqlite3.ProgrammingError, OverflowError, UnicodeError)",
        "sqlite3.ProgrammingError)",
        "tests/delivery/test_damage.py -k driver",
    ),
    Mutant(
        "E22: a record is settled by key, attempt and lease, and not by its number",
        "actions/rasa_kustomer/outbox/transitions.py",
        'if (row["key"], row["attempts"]) == (by_id[row["id"]].key, by_id[row["id"]].attempts)',
        'if row["id"] in by_id',
        "tests/delivery/test_late_answers.py::test_an_answer_settles_no_record_that_was_given_the_number_since",
    ),
    Mutant(
        "E22: a record is settled by the attempt that was begun",
        "actions/rasa_kustomer/outbox/transitions.py",
        'if (row["key"], row["attempts"]) == (by_id[row["id"]].key, by_id[row["id"]].attempts)',
        'if row["key"] == by_id[row["id"]].key',
        "tests/delivery/test_late_answers.py -k sqlite",
    ),
    Mutant(
        "E22: who lost a session writes nothing of it",
        "actions/rasa_kustomer/outbox/transitions.py",
        'SAME_SESSION = "id = :session_id AND key = :session_key AND leased_by = :owner"',
        'SAME_SESSION = "id = :session_id AND key = :session_key"',
        "tests/delivery/test_late_answers.py::test_who_lost_a_session_says_nothing_of_it[sqlite]",
    ),
    Mutant(
        "E24: what is remembered of an outbox is checked in the transaction that uses it",
        "actions/rasa_kustomer/records.py",
        "records, after=last, update=update",
        "records, update=renew",
        "tests/actions/test_turns.py -k damaged_file",
    ),
    Mutant(
        "Turns that could not be written are tried again by themselves",
        "actions/rasa_kustomer/recorder.py",
        "        if self._task is None or self._task.done():\n",
        "        if False:\n",
        "tests/actions/test_turns.py -k last_words",
    ),
    Mutant(
        "... and a last time when the process stops",
        "actions/rasa_kustomer/recorder.py",
        "            await asyncio.gather(self._task, return_exceptions=True)\n        await self._try()\n",
        "            await asyncio.gather(self._task, return_exceptions=True)\n",
        "tests/actions/test_turns.py -k a_last_time",
    ),
    Mutant(
        "... and are kept in the first place",
        "actions/rasa_kustomer/recorder.py",
        "            self._keep(turns)\n",
        "",
        "tests/actions/test_turns.py -k last_words",
    ),
    Mutant(
        "F16: whatever keeps a turn from being recorded, it is kept",
        "actions/rasa_kustomer/plugin.py",
        "except Exception as error:  # noqa: BLE001 - whatever it is, the turn is kept and said",
        "except OSError as error:",
        "tests/actions/test_turns.py -k whatever_reason",
    ),
    Mutant(
        "One tracker that is refused keeps no other waiting",
        "actions/rasa_kustomer/recorder.py",
        "if failures == FAILURES_TO_PAUSE:",
        "if failures:",
        "tests/actions/test_turns.py -k no_other_waiting",
    ),
]
