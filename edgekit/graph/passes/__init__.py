"""One file per kind of clean-up; each pass edits the main graph in place and returns how many edits it made."""
