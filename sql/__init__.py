"""The schema: numbered files, applied in order by `vitrine migrate`, never edited once released."""
