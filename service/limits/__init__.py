"""Limits of projects: the most each may hold, from the settings or from Keystone (reference section 7)."""
