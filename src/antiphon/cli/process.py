"""One process of several (`antiphon serve --processes`); its supervisor runs it, nobody else."""

from __future__ import annotations

import gc
import os
import sys

from antiphon.cli import LOADING_OBJECTS

if __name__ == "__main__":
    # Before numpy is loaded, as for every command.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(LOADING_OBJECTS)
    from antiphon.cli.serve import welcome
    from antiphon.processes.worker import main

    sys.exit(main(welcome))
