"""Generators of what `deploy/` holds, and the study behind the alerts."""
