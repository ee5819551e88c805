"""A pretend Kustomer that is at least as strict as the reference, with scripted failures and an agent's desk.

It shares no code with the plugin, so that it judges the plugin's wire format instead of agreeing with it.
"""

from kustomer_sandbox.faults import Fault
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.sandbox import Sandbox

__all__ = ["Fault", "Rules", "Sandbox"]
