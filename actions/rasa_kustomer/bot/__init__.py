"""A designer's bot as it lies on disk: read as Rasa reads it, without Rasa and without running any of it."""
