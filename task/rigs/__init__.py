"""Drivers: the only place that imports PsychoPy, pyserial or an operating system's own calls."""
