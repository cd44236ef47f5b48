"""The commands, a module each: `NAME_command.command`."""
