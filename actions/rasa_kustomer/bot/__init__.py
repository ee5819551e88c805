"""The bot project on disk: read as Rasa reads it, without Rasa and without running any of its code."""
