"""Pages for people: the same answers as the interface gives, read in Chinese or English."""
