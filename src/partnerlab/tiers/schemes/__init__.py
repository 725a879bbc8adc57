"""Tier schemes that ship with the package, each a YAML file."""
