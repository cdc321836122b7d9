"""What people do with an image service, once for each client; each module runs in that client's own environment.

These modules import nothing but the standard library, their client, and each other.
"""
