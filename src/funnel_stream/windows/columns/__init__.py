"""Numbers in columns: all that is done to whole arrays at once.

Knows panes, rows, combinations and cells as integers, and nothing of what they stand for. Every
function says which shapes and types it takes, in which order they must stand, and how its time
grows; none changes what it is given.
"""
