"""The steps that a chain of profiles is composed of: pure functions from profiles to profiles."""
