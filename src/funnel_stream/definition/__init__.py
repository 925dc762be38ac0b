"""What ``funnel.yaml`` says: stages, pipelines, windows, dimensions, money and targets.

Knows of events only which stages and attributes there are; knows no deal, no figure and no file.
"""

from funnel_stream.definition.funnel import (
    LENIENT,
    RULES_VERSION,
    Contradiction,
    Definition,
    Export,
    Pipeline,
    Target,
)

__all__ = [
    "LENIENT",
    "RULES_VERSION",
    "Contradiction",
    "Definition",
    "Export",
    "Pipeline",
    "Target",
]
