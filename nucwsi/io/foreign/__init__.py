"""Nuclei that other programs have found, from the files in which they publish them.

Readers alone, one for each kind of file; `read.read_foreign` chooses. What is read is in the pixels
of its file: `steps.import_nuclei` brings it to the slide, and `nuclei.imported` measures it.
"""
