"""Token verification: who a request's `X-Auth-Token` and `X-Service-Token` stand for."""
