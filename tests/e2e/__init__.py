"""Side by side with what exists: real clients, real Keystone, real Tempest, against a service freshly started."""
