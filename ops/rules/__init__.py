"""Prometheus rules as code: recording rules and alerts, from the catalogue where they repeat."""
