"""Delivery accuracy: what the motor delivers against what was programmed, in windows, boluses and over weeks."""
