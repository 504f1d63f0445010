"""Who somebody is, and what they may: pure records and rules; no I/O, no clock."""
