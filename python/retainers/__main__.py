"""`python -m retainers run app.py`: starts a program with triggers that write heap dumps."""

from .run import main

if __name__ == "__main__":
    main()
