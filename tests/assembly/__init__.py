"""Steps kept, assembled and read back; the pure assembly; the job that does it."""
