"""How onnxruntime shall run a network in a worker."""

from __future__ import annotations

from typing import Any


def session_options(threads: int) -> Any:
    """Its ``SessionOptions``: ``threads`` of the CPU, which sleep while they wait."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Those that spin take the cores from everybody else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
