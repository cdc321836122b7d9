"""What goes on behind the requests: removing what nobody needs, and tasks that outlive their request."""
