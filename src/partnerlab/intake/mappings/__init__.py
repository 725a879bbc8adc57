"""Mappings of common exports to the contract, to start from with ``extends:``."""
