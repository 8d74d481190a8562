"""The index files of microscopes, one module per vendor; `lib.microscope_index` chooses between them."""
