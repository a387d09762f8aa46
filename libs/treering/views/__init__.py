"""Read models, one file each: their tables, what an entry does to them, and their queries."""
