"""Neurons with known axes, and the recorder at the other end of the cable."""
