"""From the log of a session and a recording to the axes neurons are tuned to, seen and imagined."""
