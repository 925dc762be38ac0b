"""``python -m funnel_stream`` is the command ``funnel-stream``."""

from funnel_stream.cli.main import main

main()
