"""Studies of tactics that ship with the package, one YAML file for each program."""
