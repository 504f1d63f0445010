"""Arithmetic on samples: levels, frames, G.711, resampling, noise reduction.  No I/O.

Samples are signed 16-bit little-endian mono PCM in `bytes`, unless a name says otherwise.
"""
