"""The words a user types: parse, call, render; no decisions."""
