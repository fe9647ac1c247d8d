"""What a process needs to run well: memory, reading ahead, progress, the lease of a GPU.

Here belongs what changes only time and memory. Nothing here knows a slide or a nucleus.
"""
