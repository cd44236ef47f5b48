"""HTTP clients, patched once at the seam."""
