"""What each route does: one file per noun, each handler a screen."""
