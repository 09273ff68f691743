"""Devices as data: pumps and sensors, one file each, every number with its source."""
