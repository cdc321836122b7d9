"""Where image data is kept: stores of bytes behind one contract."""
