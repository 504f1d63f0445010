"""What a call costs, and how much of it may be spent: usage → lines → money.  No I/O, no clock."""
