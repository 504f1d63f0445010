"""Callers that load a server and measure it by what they hear (`antiphon bench`)."""
