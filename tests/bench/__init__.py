"""Measurements that are not part of the test run: each module is one command."""
