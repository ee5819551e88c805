"""Rasa custom actions that recognise, mirror and hand off conversations to Kustomer."""
