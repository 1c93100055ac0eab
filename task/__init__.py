"""Plan a session, show it, record what happened.  Importing this package imports nothing else."""

__version__ = "0.1.0"
