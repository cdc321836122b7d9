"""Image data on its way: into stores, measured and checked; out of them, whole or in ranges."""
