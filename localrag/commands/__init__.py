"""The command line, a file per family of commands. Each command takes parsed arguments and returns an exit status."""
