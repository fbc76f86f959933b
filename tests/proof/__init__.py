"""Does the pipeline do what it promises, where the truth is known? `python -m tests.proof`."""
