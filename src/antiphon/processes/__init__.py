"""Several processes that are one server: who holds what, and how a request finds its session."""
