"""What acts: settings, Prefect flows, the command line, writing and exporting."""

import os

# Read by OpenBLAS when it is first loaded. Matrices here are small, and its threads spin while they wait for
# each other: with other work on the same two cores a product of 10,000 x 70 took 190 ms of processor instead
# of 2. One thread also adds up in one order, whatever the machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
