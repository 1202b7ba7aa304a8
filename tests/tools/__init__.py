"""Programs that tests need and that no package on this machine may offer."""
