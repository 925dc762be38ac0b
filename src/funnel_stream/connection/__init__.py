"""How Kafka is reached: address, encryption and login, in the names that Kafka itself gives them.

Knows properties files, variables and flags, certificates and tokens. Must not know any Kafka
client: `streaming.kafka` and `tools` turn a `Connection` into the options of theirs.
"""

from funnel_stream.connection.connection import Connection
from funnel_stream.connection.load import load_connection

__all__ = ["Connection", "load_connection"]
