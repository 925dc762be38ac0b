"""Workers, their group and their logs in one thread, where everything goes wrong that may."""
