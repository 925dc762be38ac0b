"""From facts to sums: facts gathered into panes, panes into windows that slide with time.

Knows measures only as numbers, and no KPI. What it makes is a ``Snapshot``.
"""
