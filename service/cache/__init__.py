"""A bounded local copy of image data in front of the stores (reference section 10.8)."""
