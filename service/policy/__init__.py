"""May they: named rules in the oslo.policy language, compiled once, and the two gates in front of every image."""
