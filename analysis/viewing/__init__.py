"""What units do while pictures are seen."""
