"""The storage side: contracts, records and drivers; knows no HTTP and no policy."""
