"""The command line: commands, their options made from settings, and what a process is told.

Here belong words for people and exit codes. No command computes, opens a file itself, or holds a
default: it calls the step of its name with settings from `nucwsi.config`.
"""
