"""What units do in imagery, and how that compares with viewing."""
