"""`python -m creditsvc` is the command line."""

from creditsvc.cli import main

if __name__ == "__main__":
    main(prog_name="creditsvc")
