"""Real pages in a real browser: headless Chromium, with recordings of people at its microphone.

`Site` serves the pages of `pages/` from an origin of their own, and is the backend that mints
their secrets.  `visiting` opens one in Chromium; the `Visitor` speaks, and looks what the page
shows.
"""
