"""The suite: claims about Vitrine, proven against the real thing."""
