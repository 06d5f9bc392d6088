"""The command line: parse, call, answer. Nothing heavy is imported before a command needs it."""
