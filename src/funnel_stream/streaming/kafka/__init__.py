"""The log as Kafka keeps it, and Faust's way through the group: all that knows either lies here."""
