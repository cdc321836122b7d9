"""The command-line client: image data to and from any service that speaks the Image API."""
