"""`make bench`: what the plugin costs a bot, side by side with doing nothing and with the usual way.

Each timed request carries a conversation of so many turns, the last of which is new; it is preceded by untimed ones
with two turns and one turn less, as in a real conversation. The three servers run side by side and answer in turn,
request by request, so that a slow moment of the machine hits all of them.
"""

import argparse
import platform
from collections import defaultdict
from contextlib import ExitStack
from itertools import count

from load import Requests, Timing, in_parallel, in_turn, one_by_one
from payloads import Payloads
from rich.console import Console
from rich.table import Table

from servers import action_server, kustomer, resident_mb

EMPTY, OURS, USUAL = "(a) empty action", "(b) rasa-kustomer", "(c) usual way"
CONTESTANTS = {EMPTY: "empty", OURS: "rasa_kustomer.actions", USUAL: "usual"}
CONDITIONS = {"0 ms": "answers at once", "2 s": "answers in 2 s", "refused": "refuses connections"}
TURNS = (1, 10, 50, 200)
SERIES = 5
SLOW_REQUESTS = 2  # the usual way waits for Kustomer, 4 s a turn when it is slow
PARALLEL = 16
TURNS_PER_CALL = 100

console = Console(width=130, highlight=False)
payloads = Payloads()
_senders = count()


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="timed requests per cell")
    parser.add_argument("--recorded", type=int, default=100_000, help="turns for the memory figure; 0 leaves it out")
    options = parser.parse_args()
    console.print(
        f"Python {platform.python_version()}, {platform.machine()}; median and 99th percentile in milliseconds"
    )
    for condition in CONDITIONS:
        _answer_times(condition, options.requests)
    _throughput()
    if options.recorded:
        _memory(options.recorded)


def _answer_times(condition: str, number: int) -> None:
    table = Table("turns", *CONTESTANTS, "(b)/(a) median", "(b)-(a) p99")
    with ExitStack() as stack:
        url, conversation = stack.enter_context(kustomer(condition))
        ports = {
            name: stack.enter_context(action_server(actions, url, conversation))[0]
            for name, actions in CONTESTANTS.items()
        }
        for turns in TURNS:
            taken: dict[str, list[float]] = {name: [] for name in ports}
            slow = {USUAL} if condition == "2 s" else set()
            quick = {name: port for name, port in ports.items() if name not in slow}
            for name in slow:
                taken[name] = one_by_one(ports[name], _growing(turns, SLOW_REQUESTS))
            taken |= in_turn(quick, {name: _growing(turns, number) for name in quick})
            timing = {name: Timing.of(seconds) for name, seconds in taken.items()}
            ratio, gap = timing[OURS].median / timing[EMPTY].median, timing[OURS].p99 - timing[EMPTY].p99
            cells = [f"{one.median:.2f} / {one.p99:.2f}" for one in timing.values()]
            table.add_row(str(turns), *cells, f"{ratio:.2f}", f"{gap:+.2f}")
    console.print(f"\nOne conversation at a time, Kustomer {CONDITIONS[condition]}")
    console.print(table)


def _growing(turns: int, number: int) -> Requests:
    requests = []
    for _ in range(number):
        sender = f"bench-{next(_senders)}"
        before = [payloads.request(sender, earlier) for earlier in range(max(1, turns - 2), turns)]
        requests.append((before, payloads.request(sender, turns)))
    return requests


def _whole(number: int) -> Requests:
    """Conversations of which nothing was recorded before."""
    return [([], payloads.request(f"bench-{next(_senders)}", TURNS_PER_CALL)) for _ in range(number)]


def _throughput() -> None:
    table = Table("turns", EMPTY, OURS, "(b)/(a)")
    with ExitStack() as stack:
        url, conversation = stack.enter_context(kustomer("0 ms"))
        ports = {
            name: stack.enter_context(action_server(CONTESTANTS[name], url, conversation))[0] for name in (EMPTY, OURS)
        }
        for turns in (5, 10, 20):
            rates: dict[str, list[float]] = defaultdict(list)
            for _ in range(SERIES):
                conversations = []
                for _ in range(PARALLEL):
                    sender = f"bench-{next(_senders)}"
                    conversations.append([payloads.request(sender, length) for length in range(1, 2 * turns)])
                for name, port in ports.items():
                    rates[name].append(in_parallel(port, conversations))
            a, b = (sorted(rates[name])[SERIES // 2] for name in (EMPTY, OURS))
            table.add_row(f"1 to {2 * turns - 1}", f"{a:.0f}", f"{b:.0f}", f"{b / a:.2f}")
    console.print(f"\n{PARALLEL} conversations at once, each turn new: requests per second (median of {SERIES})")
    console.print(table)


def _memory(recorded: int) -> None:
    with kustomer("refused") as (url, conversation), action_server(CONTESTANTS[OURS], url, conversation) as (port, pid):
        one_by_one(port, _whole(5))
        before = resident_mb(pid)
        for _ in range(recorded // TURNS_PER_CALL // 20):
            one_by_one(port, _whole(20))
        after = resident_mb(pid)
    grown = f"{before:.0f} MB at the start, {after:.0f} MB after {recorded:,} recorded turns ({after - before:+.0f} MB)"
    console.print(f"\nResident memory of the server: {grown}")


if __name__ == "__main__":
    main()
