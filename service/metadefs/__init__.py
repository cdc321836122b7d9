"""Metadata definitions over HTTP: `/v2/metadefs` and its schemas, and the command that loads them from files.

Where a docstring cites a section here, it means the reference of metadata definitions.
"""
