"""`python -m task`: the command line."""

from task.cli import main

if __name__ == "__main__":
    main()
