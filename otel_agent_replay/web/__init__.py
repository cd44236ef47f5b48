"""Pages of HTML: one file each, read without a network and without scripts."""
