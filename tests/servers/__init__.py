"""Real servers that tests run: each on a free port of the loopback interface, its files in a folder of the test's."""
