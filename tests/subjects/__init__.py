"""One person's data: declared, handed out, erased."""
