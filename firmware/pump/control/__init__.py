# The controllers that run on the pump, and what they share.
