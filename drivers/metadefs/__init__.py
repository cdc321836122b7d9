"""Metadata definitions: the catalogue of the keys that make sense on images, flavors and other resources."""
