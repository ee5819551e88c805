"""`rasa-kustomer reconcile`: compares what the outbox delivered with what Kustomer holds; no bot needs it."""

from rasa_kustomer.reconcile.comparison import Reconciliation
from rasa_kustomer.reconcile.report import Report

__all__ = ["Reconciliation", "Report"]
