"""One module a command; each has `command`, loaded when it is used."""
