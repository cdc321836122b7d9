"""The HTTP side: routes, authentication, policy and encoding of the Image API v2."""
