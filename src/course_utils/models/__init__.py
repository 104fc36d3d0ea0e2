"""Model families: one file or folder each, every class answering the course's four questions."""
