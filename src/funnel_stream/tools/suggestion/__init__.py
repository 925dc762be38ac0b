"""A first mapping, suggested for tables that nobody has described yet."""

from funnel_stream.tools.suggestion.first_mapping import Suggestion, suggested

__all__ = ["Suggestion", "suggested"]
