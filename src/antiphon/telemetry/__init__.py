"""What a session shows of itself: how long each part of a turn took, and what happened."""
