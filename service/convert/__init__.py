"""Conversion of imported data to one format, by a program that is trusted with nothing."""
