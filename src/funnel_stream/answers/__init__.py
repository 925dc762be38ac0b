"""Where a figure comes from: what one deal adds to it, and which deals are behind it."""
