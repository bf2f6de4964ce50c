"""`python -m minitorch`."""

from .cli import main

main(prog_name="python -m minitorch")
