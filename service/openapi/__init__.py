"""The documentation of the API: what each route promises, one file per noun, and OpenAPI 3.1 made from that."""
