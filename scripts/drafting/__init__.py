"""The parts of draft.py."""
